"""A fragment of HTML taken apart: its elements, and its words as one text."""

from html.parser import HTMLParser

# Elements without an end.
_VOID = {"input", "br", "img", "meta", "link"}


class Fragment(HTMLParser):
    """The elements and words of a fragment; an element that is not closed is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        """Return the attributes of each element with a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        """All words, spaces made one."""
        return " ".join(" ".join(self.words).split())
