import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from heatproof.cli import main
from heatproof.core.messages import Unsupported
from heatproof.store import artifacts
from heatproof.store.artifacts import multihot
from heatproof.train.model import MEAN, VOTE, Ensemble, build, combined, save

HALF = torch.full((3, 2), 0.5, dtype=torch.float64)


class Fixed(nn.Module):
    """A member that gives the same logits for every image, moved by the first pixel."""

    def __init__(self, *logits):
        super().__init__()
        self.num_classes = len(logits)
        self.logits = torch.tensor(logits)

    def forward(self, pixels):
        return self.logits + pixels[:, 0, 0, :1]


def ensemble(combine, *members, thresholds=HALF):
    return Ensemble([Fixed(*member) for member in members], combine, thresholds).eval()


BLACK = torch.zeros(4, 1, 2, 2)


def test_the_mean_is_the_mean_of_the_probabilities():
    members = (0.3, -2.0), (1.5, 0.4), (-0.7, 9.0)
    expected = torch.tensor(members).sigmoid().mean(0)
    torch.testing.assert_close(ensemble(MEAN, *members)(BLACK).sigmoid(), expected.expand(4, 2))
    expected = torch.tensor(members).softmax(1).mean(0)
    torch.testing.assert_close(ensemble(MEAN, *members, thresholds=None)(BLACK).softmax(1), expected.expand(4, 2))


def test_members_that_are_sure_leave_a_finite_logit():
    found = ensemble(MEAN, (200.0, -200.0), (180.0, -300.0), (90.0, -90.0))(BLACK)
    assert found.isfinite().all() and found[0, 0] > 80 and found[0, 1] < -80


def test_a_vote_counts_members_at_their_own_thresholds():
    thresholds = torch.tensor([[0.5, 0.5], [0.5, 0.9], [0.1, 0.5]])
    # probabilities .88, .5, .12 of both labels: two reach the first's thresholds and none but one the second's
    found = ensemble(VOTE, (2.0, 2.0), (-0.01, 0.0), (-2.0, -2.0), thresholds=thresholds)(BLACK)
    assert found[0].tolist() == pytest.approx([np.log(2.5 / 1.5), np.log(1.5 / 2.5)])


def test_where_an_image_has_one_class_each_member_has_one_vote():
    found = ensemble(VOTE, (2.0, 1.0), (0.0, 1.0), (5.0, 1.0), thresholds=None)(BLACK)
    assert found[0].tolist() == pytest.approx([np.log(2.5 / 1.5), np.log(1.5 / 2.5)], abs=2e-3)


@pytest.mark.parametrize("members", [2, 3, 5])
def test_what_is_explained_is_what_is_predicted_where_votes_are_equal(members):
    logits = torch.randn(400, members, 4, generator=torch.Generator().manual_seed(members)) * 2
    vote = Ensemble([Fixed(0.0, 0, 0, 0)] * members, VOTE, None)
    stored = combined(logits.double().softmax(2).transpose(0, 1).numpy(), None, VOTE)
    assert (vote._vote(logits).argmax(1).numpy() == stored.argmax(1)).all()


def test_deeplift_of_a_mean_is_complete():
    from heatproof.explain.gradients import METHODS
    from heatproof.explain.methods import Batch
    from heatproof.train.layers import TargetLayer

    torch.manual_seed(0)
    members = [build(name, 3, 64).eval() for name in ("test_resnet", "resnet18")]
    for member in members:
        for name, parameter in member.named_parameters():
            parameter.data += (0.3 if "fc" in name else 0.02) * torch.randn_like(parameter)  # sure of what they say
    pictures = torch.rand(3, 1, 64, 64)
    for thresholds in (torch.full((2, 3), 0.5, dtype=torch.float64), None):
        model = Ensemble(members, MEAN, thresholds).eval().requires_grad_(False)
        batch = Batch(model, TargetLayer("", model, "NCHW", (8, 8)), pictures, torch.tensor([0, 1, 2]))
        found = METHODS["deeplift"](batch)
        assert found.gap.max() < 1e-3 and not any(found.reasons)


def test_a_vote_has_no_gradient_and_says_so():
    vote = ensemble(VOTE, (2.0, 1.0), (0.0, 1.0))
    with pytest.raises(Unsupported, match="majority vote has no gradient"):
        vote(BLACK.clone().requires_grad_())
    assert ensemble(MEAN, (2.0, 1.0), (0.0, 1.0))(BLACK.clone().requires_grad_()).requires_grad


def test_what_is_written_is_what_the_network_answers():
    probabilities = np.random.default_rng(0).random((3, 50, 4))
    thresholds = np.random.default_rng(1).random((3, 4))
    votes = combined(probabilities, thresholds, VOTE)
    assert votes.tolist() == ((probabilities >= thresholds[:, None]).sum(0) / 3).tolist()
    np.testing.assert_allclose(combined(probabilities, thresholds, MEAN), probabilities.mean(0))


def test_of_classes_with_as_many_votes_the_likelier_is_predicted():
    probabilities = np.array([[[0.6, 0.3, 0.1]], [[0.1, 0.8, 0.1]]])
    answer = combined(probabilities, None, VOTE)
    assert answer.sum() == pytest.approx(1) and answer.argmax() == 1
    np.testing.assert_allclose(answer, [[0.5, 0.5, 0]], atol=1e-3)


def trained(name, seed, several=True):
    """A checkpoint of a study `s`, of three images, as training leaves it."""
    torch.manual_seed(seed)
    model, folder = build(name, 2, 64).eval(), artifacts.Checkpoint("s", name, 0, "fold0").folder
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    with artifacts.sealing(folder / "model.safetensors") as temporary:
        save(model, temporary)
    with torch.no_grad():
        logits = model(pictures()).double()
    p = logits.sigmoid() if several else logits.softmax(1)
    table = pd.DataFrame({"image_id": list("abc"), "split": ["val", "test", "test"]})
    if several:
        there = np.array([[1, 0], [0, 1], [1, 1]], bool)
        table = (
            table.assign(label=pd.NA, predicted=pd.NA).join(multihot("label", there)).join(multihot("predicted", there))
        )
    else:
        table = table.assign(label=[0, 1, 1], predicted=p.argmax(1).numpy())
    artifacts.write_table(
        folder / "predictions.parquet", table.join(pd.DataFrame(p.numpy()).add_prefix("p_")), artifacts.PREDICTIONS
    )
    card = {
        "architecture": name,
        "classes": ["x", "y"],
        "size": 64,
        "parameters": 5,
        "sha256": artifacts.digest(folder / "model.safetensors"),
    }
    artifacts.write_json(
        folder / "card.json", card | ({"task": "multilabel", "thresholds": [0.4, 0.6]} if several else {})
    )


def pictures():
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("combine", [VOTE, MEAN])
def test_an_ensemble_on_disk_is_opened_as_a_checkpoint_is(tmp_path, monkeypatch, combine, several):
    from heatproof.train.checkpoint import load_trained

    monkeypatch.chdir(tmp_path)
    trained("test_resnet", 0, several), trained("test_vit", 1, several)
    command = (
        f"job ensemble --study s --model both --seed 0 --fold fold0 --combine {combine} --members test_resnet test_vit"
    )
    assert main(command.split()) == 0
    model, card = load_trained(artifacts.Checkpoint("s", "both", 0, "fold0"), torch.device("cpu"))
    table = artifacts.read_table(artifacts.Checkpoint("s", "both", 0, "fold0").predictions, artifacts.PREDICTIONS)
    assert card["combine"] == combine and list(card["members"]) == ["test_resnet", "test_vit"]
    with torch.no_grad():
        logits = model(pictures()).double()
    stored = table[["p_0", "p_1"]].to_numpy()
    if combine == MEAN:
        np.testing.assert_allclose(stored, (logits.sigmoid() if several else logits.softmax(1)).numpy(), atol=1e-6)
    else:  # 0, 1 or 2 votes of 2
        expected = {0: np.log(0.5 / 2.5), 1: 0.0, 2: np.log(2.5 / 0.5)}
        np.testing.assert_allclose(
            logits.numpy(), np.vectorize(expected.get)(np.rint(stored * 2).astype(int)), atol=3e-3
        )
    if several:
        predicted = table[["predicted_0", "predicted_1"]].to_numpy()
        assert (predicted == (stored > 0.5 if combine == VOTE else stored >= card["thresholds"])).all()
    else:
        assert (table["predicted"].to_numpy(int) == stored.argmax(1)).all()


def test_an_ensemble_of_members_that_were_trained_again_is_not_used(tmp_path, monkeypatch, capsys):
    from heatproof.train.checkpoint import load_trained

    monkeypatch.chdir(tmp_path)
    trained("test_resnet", 0), trained("test_vit", 1)
    command = "job ensemble --study s --model both --seed 0 --fold fold0 --combine mean --members test_resnet test_vit"
    assert main(command.split()) == 0
    trained("test_vit", 2)
    with pytest.raises(artifacts.ArtifactError, match="other members than are there now"):
        load_trained(artifacts.Checkpoint("s", "both", 0, "fold0"), torch.device("cpu"))


def test_members_of_other_images_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    trained("test_resnet", 0), trained("test_vit", 1)
    path = artifacts.Checkpoint("s", "test_vit", 0, "fold0").predictions
    artifacts.write_table(path, artifacts.read_table(path, artifacts.PREDICTIONS).iloc[:2], artifacts.PREDICTIONS)
    command = "job ensemble --study s --model both --seed 0 --fold fold0 --combine mean --members test_resnet test_vit"
    assert main(command.split()) == 1
    assert "other images than" in capsys.readouterr().err


def test_weights_with_an_auxiliary_head_fit_a_network_without_one(tmp_path):
    import safetensors.torch

    from heatproof.train.model import load

    model = build("inception_v3", 3, 128)
    tensors = {key: value.contiguous() for key, value in model.net.state_dict().items()}
    tensors["AuxLogits.fc.weight"] = torch.zeros(3, 768)
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors")
    loaded = load("inception_v3", 3, 128, tmp_path / "w.safetensors")
    assert torch.equal(loaded.net.fc.weight, model.net.fc.weight)
