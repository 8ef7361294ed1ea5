"""Experiments, for the founder. What belongs here: what these pages show and their one button."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from pilar.agents.trial_experiment import PER_VARIANT, SUBJECT, start_trial_experiment
from pilar.backplane import audit
from pilar.database.engine import Scope
from pilar.experiments import experiments as running
from pilar.experiments import overview
from pilar.experiments.statistics import ADOPT, SRM_THRESHOLD
from pilar.workspaces import store as workspaces
from webhook_ingest.dashboards import charts
from webhook_ingest.dashboards.rendering import render
from webhook_ingest.deps import Asked, System

_NEWEST = 100


def experiments(request: Request, app: System) -> Response:
    """The newest experiments, the founder's and the studios'."""
    with app.database.transaction(Scope.fleet()) as connection:
        found = overview.list_experiments(connection, _NEWEST)
    return render(
        request,
        "experiments.html",
        experiments=found,
        business_now=app.clocks.business.now(),
        decided=_decided,
        per_variant=PER_VARIANT,
        trial_runs=any(one.subject == SUBJECT and one.state == "running" for one in found),
    )


def experiment(request: Request, app: System, experiment_id: UUID) -> Response:
    """One experiment: each variant beside the baseline, whether units were dealt as meant, and what follows."""
    with app.database.transaction(Scope.fleet()) as connection:
        detail = overview.experiment_detail(connection, experiment_id)
        owner = detail.experiment.workspace_id
        studio = workspaces.get_workspace(connection, owner).name if owner else None
    intervals = [(one.low, one.effect, one.high) for one in detail.variants]
    return render(
        request,
        "experiment.html",
        detail=detail,
        studio=studio,
        pictures=charts.intervals(intervals),
        weights=sum(one.weight for one in detail.variants),
        srm_threshold=SRM_THRESHOLD,
        decision=_decided(detail.decision),
        business_now=app.clocks.business.now(),
    )


def start_trial(app: System, caller: Asked, minimum: Annotated[int, Form(ge=2, le=100_000)] = PER_VARIANT) -> Response:
    """Start the experiment on how a trial is answered, over all studios."""
    with app.database.transaction(Scope.fleet()) as connection:
        begun = start_trial_experiment(connection, app.clocks, caller.principal.actor, minimum_per_variant=minimum)
        audit.record(
            connection,
            actor=caller.principal.actor,
            action="experiments.started",
            subject=f"experiment:{begun.id}",
            now=app.clocks.real.now(),
        )
    return RedirectResponse(f"/experiments/{begun.id}?notice=experiment-started", 303)


def stop_experiment(app: System, caller: Asked, experiment_id: UUID) -> Response:
    """End an experiment without a decision."""
    with app.database.transaction(Scope.fleet()) as connection:
        was_running = overview.experiment_detail(connection, experiment_id).experiment.state == "running"
        stopped = running.stop(connection, app.clocks, experiment_id)
        if was_running:
            audit.record(
                connection,
                actor=caller.principal.actor,
                action="experiments.stopped",
                subject=f"experiment:{experiment_id}",
                now=app.clocks.real.now(),
                workspace_id=stopped.workspace_id,
            )
    return RedirectResponse(f"/experiments/{experiment_id}?notice=experiment-stopped", 303)


def _decided(decision: str) -> str:
    """A decision in words."""
    if decision.startswith(ADOPT):
        return f"Adopt {decision.removeprefix(ADOPT)}"
    return {
        "keep_running": "Keep running",
        "keep_baseline": "Keep the baseline",
        "broken": "Broken: not to be relied on",
    }.get(decision, decision)
