"""Whether what is meant is what is found: the questions that `make bench-search` asks as well."""

from collections import Counter

import pytest

from accounts.models import User
from search.tests import quality

LEAST_MRR, MOST_LOST = 0.80, 0.01


@pytest.mark.django_db
def test_what_is_meant_stands_first_and_fusion_loses_nothing(alice: User):
    questions = quality.questions()
    assert len(questions) >= 60
    assert set(Counter(question.kind for question in questions)) == {"paraphrase", "keyword", "mixed", "typo", "link"}
    quality.load(alice)
    asked = [quality.ask(alice, question) for question in questions]
    fusion = quality.reciprocal_rank(one.fusion for one in asked)
    legs = [quality.reciprocal_rank(getattr(one, leg) for one in asked) for leg in quality.LEGS]
    assert fusion >= LEAST_MRR
    assert fusion >= max(legs) - MOST_LOST
    for kind in ("link", "keyword", "typo"):
        places = [one.fusion for one in asked if one.kind == kind]
        assert quality.hits_within(places, 3) == 1, kind


def test_every_question_means_a_conversation_of_the_set():
    titles = [title for title, _ in quality.passages()]
    assert len(titles) == len(set(titles)) == 400
    assert {question.title for question in quality.questions()} <= set(titles)


def test_it_counts_as_the_field_does():
    assert quality.reciprocal_rank([1, 2, 0, 4]) == pytest.approx((1 + 0.5 + 0 + 0.25) / 4)
    assert [quality.hits_within([1, 2, 0, 4], depth) for depth in (1, 3, 10)] == [0.25, 0.5, 0.75]


def test_it_reports_each_leg_of_each_kind():
    lines = list(quality.report([quality.Places("typo", 0, 2, 1), quality.Places("link", 1, 1, 1)]))
    assert len(lines) == 1 + 3 * 3
    assert lines[2].split() == ["meaning", "0.750", "0.50", "1.00", "1.00"]
