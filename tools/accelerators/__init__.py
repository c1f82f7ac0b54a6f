"""``make accelerators``: compiles the runtime's hot rooms with mypyc for other Pythons and architectures. Nothing here is needed to use Tandem."""
