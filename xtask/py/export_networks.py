"""Exports the benchmark's networks with PyTorch's own exporter.

    export_networks.py FOLDER [NAME ...]

Each network becomes FOLDER/NAME/model.onnx. The structures are torchvision's and transformers' own; weights are seeded,
since how long a network takes does not depend on what it was trained for.
"""

import sys
import warnings
from pathlib import Path

import torch
from torch import nn

SEED = 0
# nn.LSTM keeps its weights a second time as a list, of which the exporter warns in vain.
warnings.filterwarnings("ignore", message="The tensor attributes self.lstm._flat_weights")


def image(name):
    """A classifier of torchvision, for one picture of 224 by 224."""
    import torchvision

    return getattr(torchvision.models, name)(weights=None), {"input": torch.randn(1, 3, 224, 224)}


class LastHidden(nn.Module):
    """BERT as sentence embeddings use it: three rows of integers in, one tensor out."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        found = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return found.last_hidden_state


def minilm(tokens):
    """MiniLM-L6: BERT of six narrow layers."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
    )
    ids = torch.randint(0, config.vocab_size, (1, tokens))
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    return LastHidden(BertModel(config)), example


class Tagger(nn.Module):
    """A label for each of a hundred steps, from what came before and what comes after."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True)
        self.labels = nn.Linear(2 * 128, 20)

    def forward(self, steps):
        return self.labels(self.lstm(steps)[0])


def bilstm():
    return Tagger(), {"input": torch.randn(1, 100, 64)}


def mlp():
    layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10), nn.Softmax(dim=-1)]
    return nn.Sequential(*layers), {"input": torch.randn(1, 64)}


NETWORKS = {
    "resnet50": lambda: image("resnet50"),
    "mobilenet_v2": lambda: image("mobilenet_v2"),
    "mobilenet_v3_small": lambda: image("mobilenet_v3_small"),
    "efficientnet_b0": lambda: image("efficientnet_b0"),
    "vit_b_16": lambda: image("vit_b_16"),
    "minilm_128": lambda: minilm(128),
    "minilm_16": lambda: minilm(16),
    "bilstm": bilstm,
    "mlp": mlp,
}


def liven(network, example):
    """Gives what PyTorch starts at zero or one values such as training might have left.

    A fresh network in evaluation mode is not one to measure: an engine could leave out biases and scales, the last layer
    of vit_b_16 answers zero, and signals fade out on their way through mobilenet and efficientnet, so that no output
    would depend on the input and a comparison of outputs would show nothing.
    """
    for tensor in network.parameters():
        if (tensor == tensor.flatten()[0]).all():
            tensor.add_(torch.randn_like(tensor), alpha=0.05)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            # The statistics become those of this one run.
            norm.momentum = 1.0
            norm.train()
        network(*example.values())
    network.eval()


def export(name, path):
    torch.manual_seed(SEED)
    network, example = NETWORKS[name]()
    network.eval()
    with torch.no_grad():
        liven(network, example)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network,
        tuple(example.values()),
        path,
        input_names=list(example),
        output_names=["output"],
        opset_version=18,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


if __name__ == "__main__":
    for wanted in sys.argv[2:] or NETWORKS:
        export(wanted, Path(sys.argv[1]) / wanted / "model.onnx")
