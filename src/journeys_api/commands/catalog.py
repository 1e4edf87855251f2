"""Imports every module that declares commands: importing this one makes `registry.COMMANDS` whole."""

from journeys_api.accounts import commands as accounts
from journeys_api.emails import commands as emails
from journeys_api.engine import bulk_commands as engine_bulk
from journeys_api.engine import commands as engine
from journeys_api.exports import commands as exports
from journeys_api.fields import commands as fields
from journeys_api.imports import commands as imports
from journeys_api.inbound_webhooks import commands as inbound_webhooks
from journeys_api.journeys import action_commands as journey_actions
from journeys_api.journeys import bulk_commands as journeys_in_bulk
from journeys_api.journeys import commands as journeys
from journeys_api.journeys import copy_commands as journey_copies
from journeys_api.journeys import reading_commands as journeys_read
from journeys_api.journeys import stats_commands as journey_stats
from journeys_api.journeys import switching_commands as journeys_switched
from journeys_api.lists import commands as lists
from journeys_api.lists import overview_commands as list_overviews
from journeys_api.operators import commands as operators
from journeys_api.segments import commands as segments
from journeys_api.subscribers import commands as subscribers
from journeys_api.suppressions import commands as suppressions
from journeys_api.tags import commands as tags
from journeys_api.tracking import commands as tracking
from journeys_api.tracking import tracker_commands as tracker
from journeys_api.website_events import commands as website_events

MODULES = (
    accounts,
    emails,
    engine,
    engine_bulk,
    exports,
    fields,
    inbound_webhooks,
    imports,
    journeys,
    journey_actions,
    journey_copies,
    journey_stats,
    journeys_in_bulk,
    journeys_read,
    journeys_switched,
    lists,
    list_overviews,
    operators,
    segments,
    subscribers,
    suppressions,
    tags,
    tracker,
    tracking,
    website_events,
)
