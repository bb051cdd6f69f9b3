"""Which cases a run learns from, is validated on, and only lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lungseg.datasets import read_manifest, write_manifest
from lungseg.errors import InputError, UsageError
from lungseg.train.allowed_values import METRICS
from lungseg.train.fit import arrays, fit
from lungseg.train.run_cases import assign_splits, training_and_validation
from lungseg.train.taught import taught_by
from tiny_model import write_tiny_model
from tiny_run import SETTINGS, metrics


@pytest.mark.slow
def test_given_splits_are_kept_and_test_cases_are_only_listed(cases, tmp_path) -> None:
    splits = {"p0": "validation", "p1": "test"}
    given = [replace(case, split=splits.get(case.patient, "train")) for case in cases]
    assert assign_splits(given, SETTINGS) == given
    fit(given, tmp_path, replace(SETTINGS, epochs=1, oversample=("north=2",)), progress=False)
    assert read_manifest(tmp_path / "cases.csv") == given
    trained = sum(case.split == "train" for case in given)
    assert (
        torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
        == 2 * trained / SETTINGS.batch
    )


def test_shares_for_validation_and_testing_are_drawn(cases) -> None:
    drawn = assign_splits(cases, replace(SETTINGS, validation=0.25, test=0.5))
    counts = {
        split: sum(case.split == split for case in drawn if case.source == "north")
        for split in ("train", "validation", "test")
    }
    assert counts == {"train": 2, "validation": 2, "test": 4}


@pytest.mark.parametrize("other", ["test", "validation"])
def test_a_patient_in_two_splits_is_refused_before_anything_is_learnt(
    cases, tmp_path, other
) -> None:
    given = [
        replace(
            case,
            split=other
            if case.case == "p1_a"
            else "validation"
            if case.patient == "p0"
            else "train",
        )
        for case in cases
    ]
    with pytest.raises(InputError) as refused:
        fit(given, tmp_path / "run", SETTINGS, progress=False)
    assert str(refused.value).endswith(
        f"p1_a.png: the patient p1 of north is in the splits train and {other}; "
        "correct patient or split in the list of `lungseg dataset`, and train on that."
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_cases_without_a_mask_are_listed_and_nothing_is_learnt_from_them(cases, tmp_path) -> None:
    given = [replace(case, mask=None) if case.source == "south" else case for case in cases]
    fit(given, tmp_path, replace(SETTINGS, epochs=1), progress=False)
    assert len(read_manifest(tmp_path / "cases.csv")) == len(cases)
    assert "val_dice_south" not in metrics(tmp_path)[0]
    with pytest.raises(InputError) as refused:
        fit(
            [replace(case, mask=None) for case in cases],
            tmp_path / "none",
            SETTINGS,
            progress=False,
        )
    assert (
        str(refused.value)
        == "no case has a mask that decides what is to be learnt; give cases with masks."
    )


def test_a_source_that_is_to_be_seen_more_often_and_is_not_there_is_said(cases, caplog) -> None:
    settings = replace(SETTINGS, oversample=("north=2", "North=3"))
    training_and_validation(assign_splits(cases, settings), settings)
    assert caplog.messages == ["oversample names North, and no case to train on is of that source"]


def test_a_structure_that_no_case_to_validate_on_decides_is_said(cases, caplog) -> None:
    settings = replace(SETTINGS, layers=(("right lung", "left lung"), ("heart",)))
    split = assign_splits(cases, settings)
    hearts = [
        replace(case, decides=("heart",))
        if case.split == "train" and case.source == "north"
        else case
        for case in split
    ]
    training_and_validation(hearts, settings)
    assert caplog.messages == ["no case to validate on decides heart, so its Dice is not known"]
    with pytest.raises(UsageError, match=r"no case to validate on decides heart.*; monitor"):
        training_and_validation(hearts, replace(settings, monitor="val_heart_dice"))


def test_a_card_names_what_taught_its_network_and_nothing_else(cases, tmp_path) -> None:
    settings = replace(SETTINGS, layers=(("heart",),))
    hearts = [
        replace(case, decides=("heart",), split="train") if case.source == "north" else case
        for case in (replace(case, split="train") for case in cases)
    ]
    write_manifest(hearts, tmp_path / "cases.csv")
    assert {case.source for case in taught_by(tmp_path, settings)} == {"north"}


def test_teachers_label_training_masks_alone(cases, tmp_path) -> None:
    model = write_tiny_model(tmp_path)
    heart = [replace(case, lung_extent="through-heart") for case in cases]
    settings = replace(SETTINGS, pseudo_label_with=(str(model),))
    training, validation = training_and_validation(assign_splits(heart, settings), settings)
    open_sets = (2 | 8, 4 | 8)  # a lung or the mediastinum
    fractions = [
        np.mean([np.isin(data.as_kept(i)[1], open_sets).mean() for i in range(len(data))])
        for data in (arrays(training, settings), arrays(training, SETTINGS))
    ]
    assert fractions[0] < 0.5 * fractions[1]
    same = [
        arrays(validation, chosen, augmented=False).as_kept(0)[1] for chosen in (settings, SETTINGS)
    ]
    np.testing.assert_array_equal(*same)


def test_a_left_out_source_is_for_testing_and_the_others_are_split_as_before(cases) -> None:
    plain = assign_splits(cases, SETTINGS)
    without = assign_splits(cases, replace(SETTINGS, leave_out=("south",)))
    assert {case.split for case in without if case.source == "south"} == {"test"}
    assert [case for case in without if case.source == "north"] == [
        case for case in plain if case.source == "north"
    ]


@pytest.mark.slow
def test_questionable_masks_are_learnt_from_and_not_validated_on(cases, tmp_path) -> None:
    given = [
        replace(case, split="validation" if case.patient == "p0" else "train") for case in cases
    ]
    given = [
        replace(case, notes="questionable")
        if (case.source, case.split) == ("south", "validation")
        else case
        for case in given
    ]
    fit(given, tmp_path, replace(SETTINGS, epochs=1), progress=False)
    assert list(metrics(tmp_path)[0]) == [
        "epoch",
        *sorted((*METRICS, "learning_rate", "val_dice_north")),
    ]


def test_an_unknown_source_cannot_be_left_out(cases, tmp_path) -> None:
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, leave_out=("east",)), progress=False)
    assert (
        str(refused.value)
        == "there is no source 'east' to leave out; choose of ['north', 'south']."
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("leave_out", "validation", "words"),
    [
        (
            ("north", "south"),
            0.3,
            "0 cases to train on and 0 to validate on; give more patients, or the split train or "
            "validation to some.",
        ),
        (
            (),
            0.05,
            "12 cases to train on and 0 to validate on; give more patients, or the split train "
            "or validation to some.",
        ),
    ],
)
def test_there_must_be_cases_on_both_sides(cases, tmp_path, leave_out, validation, words) -> None:
    with pytest.raises(InputError) as refused:
        fit(
            cases,
            tmp_path / "run",
            replace(SETTINGS, leave_out=leave_out, validation=validation),
            progress=False,
        )
    assert str(refused.value) == words
    assert not (tmp_path / "run").exists()


def test_what_no_mask_decides_cannot_be_learnt(cases, tmp_path) -> None:
    settings = replace(SETTINGS, layers=(("right lung", "left lung", "heart"),))
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", settings, progress=False)
    assert str(refused.value) == (
        "no case to train on decides heart, so it cannot be learnt; leave it out of the layers, or "
        "name it in the column decides of the list of cases."
    )
    with pytest.raises(InputError, match="no case has a mask that decides what is to be learnt"):
        fit(cases, tmp_path / "run", replace(SETTINGS, layers=(("trachea",),)), progress=False)


def test_cases_whose_masks_decide_nothing_that_is_learnt_are_left_out(cases) -> None:
    hearts = [replace(case, decides=("heart",)) for case in cases if case.source == "south"]
    given = assign_splits([*cases[:8], *hearts], SETTINGS)
    training, validation = training_and_validation(given, SETTINGS)
    assert {case.source for case in (*training, *validation)} == {"north"}


@pytest.mark.slow
def test_only_sources_that_are_validated_on_can_be_monitored(cases, tmp_path) -> None:
    with pytest.raises(UsageError) as refused:
        fit(cases, tmp_path / "run", replace(SETTINGS, monitor="val_dice_east"), progress=False)
    problem = (
        "no case of the source 'east' is validated on, so val_dice_east is not logged; take "
        "of ['north', 'south']."
    )
    assert str(refused.value) == problem
    fit(cases, tmp_path, replace(SETTINGS, monitor="val_dice_south", epochs=1), progress=False)


@pytest.mark.slow
def test_cases_of_a_repeated_source_come_several_times(run, cases, tmp_path) -> None:
    fit(cases, tmp_path, replace(SETTINGS, epochs=1, oversample=("south=3",)), progress=False)
    once = torch.load(run / "last.ckpt", weights_only=True)["global_step"] / SETTINGS.epochs
    several = torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"]
    souths = sum(
        case.split == "train" and case.source == "south"
        for case in read_manifest(run / "cases.csv")
    )
    assert several - once == 2 * souths / SETTINGS.batch


@pytest.mark.slow
def test_statistics_are_measured_on_samples_from_the_whole_list(
    cases, tmp_path, monkeypatch
) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr("lungseg.train.fit.STATISTICS_SAMPLES", 3)
    monkeypatch.setattr(
        "lungseg.train.fit.load_initial_weights",
        lambda source, net, pictures, layers: seen.extend(pictures),
    )
    settings = replace(SETTINGS, epochs=1, start_from="given")
    fit(cases, tmp_path, settings, progress=False)
    data = arrays(training_and_validation(assign_splits(cases, settings), settings)[0], settings)
    assert len(seen) == 3 < len(data)
    assert torch.equal(seen[0], data[0][0])
    assert torch.equal(seen[-1], data[len(data) - 1][0])
