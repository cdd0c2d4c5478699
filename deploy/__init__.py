"""How the services are put together and run: embedded, and in the shape of production."""

from warnings import filterwarnings

# At every start eventlet says that it is in maintenance mode. We know (docs/decisions); who runs this need not read it.
filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
