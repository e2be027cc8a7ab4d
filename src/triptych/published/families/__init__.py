"""One module a family; `vlms` and `scorers` list them."""
