"""Look inside a model: parameters, shapes, and what a picture costs."""
