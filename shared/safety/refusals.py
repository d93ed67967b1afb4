"""What a client is told of what is refused for safety (R2.3); never a word of it."""

from __future__ import annotations

from shared.errors import SafetyViolation
from shared.safety.verdict import Hazard, Severity, Stage, Verdict


def violation(category: str, severity: str, stage: Stage) -> SafetyViolation:
    """The error of an unsafe text."""
    if stage is Stage.INPUT:
        message = f"the request was judged unsafe ({category}), so it was not answered; rephrase it"
    else:
        message = f"the answer is withheld: a safety check found {category}; ask in another way"
    return SafetyViolation(
        message, details={"category": category, "severity": severity, "stage": stage.value}
    )


def unsafe(verdict: Verdict, stage: Stage) -> SafetyViolation:
    """The error of an unsafe verdict; what it does not say is taken for grave."""
    hazard, severity = verdict.hazard, verdict.severity
    return violation(
        (hazard or Hazard.DANGEROUS_CONTENT).value, (severity or Severity.HIGH).value, stage
    )
