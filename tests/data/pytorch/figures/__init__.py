"""What make.py makes: one module a file of figures."""
