"""Pure arrays in, arrays out: the model of the field."""
