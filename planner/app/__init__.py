"""The application: the `skyrelief` command, the demo and the operation folder."""
