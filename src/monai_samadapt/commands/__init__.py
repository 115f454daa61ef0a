"""The sub-commands of ``samadapt``, one module each: ``register(commands)`` adds its arguments and its function."""
