// Sets the remembered theme before the first paint; a theme in the address wins.
{
  const remembered = localStorage.getItem("theme");
  if (remembered && !new URLSearchParams(location.search).has("theme"))
    document.documentElement.dataset.theme = remembered;
}
