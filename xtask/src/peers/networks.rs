//! The networks of the benchmark.

/// A network and how it is compiled.
pub struct Network {
    pub name: &'static str,
    /// Under `target/models`.
    pub path: &'static str,
    /// What `kiln bench` needs beside the model.
    pub options: &'static [&'static str],
}

impl Network {
    /// Whether PyTorch exports it.
    pub fn is_exported(&self) -> bool {
        self.path.starts_with("peers/")
    }
}

/// In the order of the page. Those under `peers/` are exported by `xtask/py/export_networks.py`, the others come from wheels.
pub const NETWORKS: &[Network] = &[
    exported("resnet50", "peers/resnet50/model.onnx"),
    exported("mobilenet_v2", "peers/mobilenet_v2/model.onnx"),
    exported("mobilenet_v3_small", "peers/mobilenet_v3_small/model.onnx"),
    exported("efficientnet_b0", "peers/efficientnet_b0/model.onnx"),
    exported("vit_b_16", "peers/vit_b_16/model.onnx"),
    exported("minilm_128", "peers/minilm_128/model.onnx"),
    exported("minilm_16", "peers/minilm_16/model.onnx"),
    Network {
        name: "ppocr_det",
        path: "ppocr_det/model.onnx",
        options: &[
            "--dim",
            "p2o.DynamicDimension.0=1",
            "--dim",
            "p2o.DynamicDimension.1=640",
            "--dim",
            "p2o.DynamicDimension.2=640",
        ],
    },
    Network {
        name: "ppocr_rec",
        path: "ppocr_rec/model.onnx",
        options: &["--dim", "p2o.DynamicDimension.0=1", "--dim", "x:2=48", "--dim", "p2o.DynamicDimension.1=320"],
    },
    Network {
        name: "ppocr_cls",
        path: "ppocr_cls/model.onnx",
        options: &["--dim", "x:0=1", "--dim", "x:2=48", "--dim", "x:3=192"],
    },
    Network { name: "magika", path: "magika/model.onnx", options: &["--dim", "unk__214=1"] },
    Network {
        name: "silero_vad",
        path: "silero_vad_16k_op15/model.onnx",
        options: &["--dim", "batch=1", "--dim", "sequence=576", "--pin", "sr=16000"],
    },
    exported("bilstm", "peers/bilstm/model.onnx"),
    exported("mlp", "peers/mlp/model.onnx"),
];

const fn exported(name: &'static str, path: &'static str) -> Network {
    Network { name, path, options: &[] }
}
