"""The learned sampler of VAENAS: its loss by hand, what it learns, what it draws, and exact resume."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from benchkit.base.errors import InputError
from benchkit.spaces import ArchitectureError, get_space
from benchkit.spaces.base import Batch, Space
from benchkit.spaces.categorical import CategoricalSpace
from benchkit.spaces.nasbench101.encoding import is_connected
from benchkit.spaces.restricted import RestrictedSpace
from benchkit.strategies.vaenas.architecture_vae import (
    ArchitectureVAE,
    edge_values,
    kl_to_standard_normal,
    log_likelihood,
)

CELLS = get_space("nasbench201")
MIXED = CategoricalSpace("mixed", {"depth": [1, 2, 3], "width": [16, 32], "one": ["x"], "op": list("abcde")})


def make(
    space: Space = CELLS, seed: int = 0, hidden: int = 16, latent: int = 4, **sizes: float
) -> ArchitectureVAE:
    generator = torch.Generator().manual_seed(seed)
    return ArchitectureVAE(space, generator, hidden, latent, **{"learning_rate": 0.01, **sizes})


def with_first_choice(value: int, n: int = 200) -> Batch:
    rows = CELLS.sample(np.random.default_rng(1), n)
    rows[:, 0] = value
    return rows


# -- Eq. 2 ------------------------------------------------------------------------------------


def test_kl_by_hand() -> None:
    """N(1, 4) is 0.5 (1 + 4 - 1 - ln 4) from N(0, 1), and the dimensions add up."""
    mu = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    log_sigma = torch.tensor([[np.log(2.0), 0.0], [0.0, 0.0]])
    expected = [0.5 * (1 + 4 - 1 - np.log(4)), 0.0]
    np.testing.assert_allclose(kl_to_standard_normal(mu, log_sigma), expected, rtol=1e-6)


@settings(max_examples=25)
@given(st.floats(-2, 2), st.floats(-1, 1))
def test_kl_is_the_integral_that_defines_it(mean: float, log_sigma: float) -> None:
    q, p = stats.norm(mean, np.exp(log_sigma)), stats.norm()
    defined, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -30, 30, points=[mean])
    found = kl_to_standard_normal(torch.tensor([[mean]]), torch.tensor([[log_sigma]]))
    assert float(found) == pytest.approx(defined, abs=1e-4)


def test_log_likelihood_by_hand() -> None:
    """Choices of probability 3/4 and 1/2; what lies past an arity of 2 takes no part."""
    logits = torch.tensor([[[0.0, np.log(3.0), -torch.inf], [1.0, 1.0, -torch.inf]]])
    found = log_likelihood(logits, torch.tensor([[1, 0]]))
    assert float(found) == pytest.approx(np.log(3 / 4) + np.log(1 / 2), rel=1e-6)


def test_probabilities_stay_inside_the_arity_and_sum_to_one() -> None:
    """Over all 30 rows of a small space, by the chain rule."""
    model = make(MIXED)
    rows = np.array(np.meshgrid(*map(range, MIXED.arity), indexing="ij")).reshape(len(MIXED.arity), -1).T
    z = torch.full((len(rows), 4), 0.7)
    with torch.no_grad():
        likelihood = log_likelihood(model.decode(z, torch.tensor(rows)), torch.tensor(rows))
    assert float(likelihood.exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_loss_is_kl_plus_reconstruction() -> None:
    """Its mean over many draws of z, against the same expectation taken here with feedback and without."""
    model = make(feedback=1.0)
    row = torch.tensor(with_first_choice(3, 1).astype(np.int64))
    with torch.no_grad():
        found = torch.stack([model.negative_elbo(row.repeat(500, 1)).mean() for _ in range(4)]).mean()
        mu, log_sigma = model.encode(row)
        noise = torch.randn(2000, 4, generator=torch.Generator().manual_seed(5))
        many = row.repeat(2000, 1)
        expected = -log_likelihood(model.decode(mu + log_sigma.exp() * noise, many), many).mean()
        expected += kl_to_standard_normal(mu, log_sigma)[0]
    assert float(found) == pytest.approx(float(expected), abs=0.01)


# -- what it learns ---------------------------------------------------------------------------


def test_it_learns_a_planted_choice() -> None:
    model = make()
    before = np.mean(model.sample(300)[:, 0] == 3)
    model.fit(with_first_choice(3), 60, 64)
    after = model.sample(300)
    assert before < 0.5
    assert np.mean(after[:, 0] == 3) > 0.95
    assert len(np.unique(after[:, 1:], axis=0)) > 200  # and nothing about the others


def test_it_learns_what_ties_choices_together() -> None:
    """Rows whose six choices are all equal: independent choices would give one such row in 3,125."""
    rows = np.repeat(np.arange(5, dtype=np.int8), 40)[:, None].repeat(6, axis=1)
    model = make(hidden=32)
    model.fit(rows, 150, 64)
    drawn = model.sample(200)
    assert np.mean((drawn == drawn[:, :1]).all(axis=1)) > 0.8
    assert len(np.unique(drawn[:, 0])) == 5


def test_a_tiny_set_is_reconstructed() -> None:
    rows = CELLS.sample(np.random.default_rng(2), 3)
    model = make(hidden=32, feedback=0.0)  # all that the decoder knows of the row is z
    model.fit(rows, 400, 3)
    data = torch.tensor(rows.astype(np.int64))
    with torch.no_grad():
        mu, _ = model.encode(data)
        decoded = model.decode(mu, data, torch.zeros(3, 5)).argmax(dim=2)
    np.testing.assert_array_equal(decoded, data)


def test_the_loss_falls_towards_the_entropy_of_the_data() -> None:
    """One free choice of five among six: ln 5 nats, where six free ones have 6 ln 5."""
    rows = np.zeros((50, 6), dtype=np.int8)
    rows[:, 2] = np.arange(50) % 5
    loss = make().fit(rows, 200, 50)
    assert np.log(5) - 0.05 < loss < np.log(5) + 0.4


def test_without_iterations_nothing_changes() -> None:
    model = make()
    before = model.state_tensors()
    assert np.isnan(model.fit(with_first_choice(3), 0))
    after = model.state_tensors()
    assert all(torch.equal(before[name], after[name]) for name in before if name != "counts")


# -- what it draws ----------------------------------------------------------------------------


@pytest.mark.parametrize("space", [CELLS, MIXED, get_space("nasbench101"), get_space("nasbench-macro")])
def test_draws_are_members(space: Space) -> None:
    model = make(space)
    model.fit(space.sample(np.random.default_rng(0), 30), 3)
    rows = model.sample(50)
    assert rows.dtype == np.int8
    assert rows.shape == (50, space.length)
    assert space.is_valid(rows).all()
    assert model.fallbacks == 0
    assert model.sample(0).shape == (0, space.length)


def test_drawing_follows_the_probabilities() -> None:
    """Of a space with 30 rows: frequencies of 6,000 draws against the marginal, z integrated out by draws."""
    model = make(MIXED)
    rows = np.array(np.meshgrid(*map(range, MIXED.arity), indexing="ij")).reshape(len(MIXED.arity), -1).T
    z = torch.randn(400, 4, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        each = [
            float(log_likelihood(model.decode(z, data), data).exp().mean())
            for data in (torch.tensor(row)[None].repeat(400, 1) for row in rows)
        ]
    drawn = model.sample(6000)
    counts = [(drawn == row).all(axis=1).sum() for row in rows]
    expected = np.array(each) / np.sum(each) * 6000
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_a_restricted_space_is_respected_and_its_sampler_says_where_it_gave_up() -> None:
    members = with_first_choice(3, 400)
    inside = RestrictedSpace(CELLS, members)
    model = make(inside)
    model.fit(members, 60, 64)
    assert inside.is_valid(model.sample(40)).all()
    assert model.fallbacks == 0
    lonely = RestrictedSpace(
        CELLS, CELLS.at([77])
    )  # of 15,625 rows an untrained decoder hardly meets this one
    lost = make(lonely, hidden=2)
    rows = lost.sample(200)
    assert lonely.is_valid(rows).all()
    assert 0 < lost.fallbacks <= 200


def test_a5_takes_the_nine_largest_of_21_values() -> None:
    """Nine edges, connected, and the values' order is that of the perturbed logits' differences."""
    cells = get_space("nasbench101")
    model = make(cells)
    model.fit(cells.sample_vaenas(np.random.default_rng(0), 100), 20)  # type: ignore[attr-defined]
    drawn = model.draw(300)
    assert (drawn[:, :21].sum(axis=1) == 9).all()
    assert not is_connected(drawn).all()
    rows = model.sample(100)
    assert (rows[:, :21].sum(axis=1) == 9).all()
    assert is_connected(rows).all()
    perturbed = torch.zeros(1, 26, 3)
    perturbed[0, :21, 1] = torch.arange(21.0)
    values = edge_values(perturbed)
    np.testing.assert_allclose(values[0], 1 / (1 + np.exp(-np.arange(21.0))), rtol=1e-5)


def test_a5_without_knowledge_is_the_papers_random_sampling() -> None:
    """Equal logits plus Gumbel noise give edge values that are uniform in [0, 1]."""
    gumbel = -np.log(-np.log(np.random.default_rng(0).random((200, 26, 3))))
    values = edge_values(torch.tensor(gumbel)).numpy().ravel()
    assert stats.kstest(values, "uniform").pvalue > 1e-3


# -- resuming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["state", "pickle"])
def test_goes_on_exactly(how: str) -> None:
    model = make()
    model.fit(with_first_choice(3), 5)
    model.sample(3)
    if how == "pickle":
        copy = pickle.loads(pickle.dumps(model))
    else:
        copy = make(seed=99)
        copy.load_state_tensors(model.state_tensors())
    for each in (model, copy):
        each.fit(with_first_choice(2), 5)
    np.testing.assert_array_equal(model.sample(50), copy.sample(50))
    ours, theirs = model.state_tensors(), copy.state_tensors()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_state_of_another_model_is_refused() -> None:
    with pytest.raises(InputError, match="not of a sampler of nasbench201"):
        make().load_state_tensors(make(hidden=8).state_tensors())


def test_the_number_of_threads_changes_nothing_and_is_restored() -> None:
    threads = torch.get_num_threads()
    drawn = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            model = make()
            model.fit(with_first_choice(3), 5)
            drawn.append(model.sample(20))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*drawn)


def test_global_generators_are_left_alone() -> None:
    before = torch.get_rng_state()
    model = make()
    model.fit(with_first_choice(3), 2)
    model.sample(5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"latent": 0}, {"learning_rate": 0.0}, {"feedback": 1.5}])
def test_unusable_sizes_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        make(**wrong)  # type: ignore[arg-type]


def test_training_rows_must_be_members() -> None:
    with pytest.raises(ArchitectureError, match="at least one row"):
        make().fit(CELLS.sample(np.random.default_rng(0), 0), 3)
    with pytest.raises(ArchitectureError):
        make().fit(np.full((2, 6), 7, dtype=np.int8), 3)
