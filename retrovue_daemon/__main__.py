"""``python -m retrovue_daemon`` is the ``retrovue-daemon`` command."""

from retrovue_daemon.cli import main

if __name__ == "__main__":
    main()
