"""Wire shapes of suppressions."""

from collections.abc import Mapping, Sequence

from journeys_api.models import Suppression


def suppression_row(found: Suppression) -> dict[str, object]:
    """A suppression as `suppression.browse` answers it."""
    return {
        "SuppressionID": str(found.suppression_id),
        "RelListID": str(found.list_id),
        "RelOwnerUserID": str(found.owner_id),
        "EmailAddress": found.email_address,
        "SuppressionSource": found.source.value,
        "Reason": found.reason,
    }


def by_address(found: Sequence[Suppression]) -> dict[str, object]:
    """A page of suppressions, keyed by address (AC 9 #17)."""
    return {suppression.email_address: suppression_row(suppression) for suppression in found}


def check_results(found: Mapping[str, Sequence[Suppression]]) -> dict[str, object]:
    """What `suppression.check` tells of each address. There are no patterns here, so none matches."""
    return {
        address: {
            "IsSuppressed": bool(suppressions),
            "MatchedScopes": [_matched_scope(suppression) for suppression in suppressions],
            "IsPatternSuppressed": False,
        }
        for address, suppressions in found.items()
    }


def _matched_scope(found: Suppression) -> dict[str, object]:
    if found.list_id:
        scope = "PerList"
    else:
        scope = "AccountWide" if found.owner_id else "SystemWide"
    return {"Scope": scope, "SuppressionSource": found.source.value, "Reason": found.reason}
