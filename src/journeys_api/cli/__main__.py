"""`python -m journeys_api.cli`, where there is no `journeys-api` on the path."""

from journeys_api.cli import main

if __name__ == "__main__":
    main()
