//! The third-party wheels and the model files taken from them: names, versions, digests.
//!
//! Nothing in this table is committed or shipped. To move a version, change the row, run
//! `cargo xtask models` and copy the digest from the message, after looking at what changed.

/// A wheel and what is taken from it.
pub struct Wheel {
    /// The package, as pip spells it.
    pub package: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The wheel's file name.
    pub file: &'static str,
    /// The wheel's SHA-256.
    pub sha256: &'static str,
    /// The model files.
    pub models: &'static [Model],
}

/// A model file inside a wheel.
pub struct Model {
    /// Folder under `target/models`.
    pub name: &'static str,
    /// Path inside the wheel.
    pub member: &'static str,
    /// The file's SHA-256.
    pub sha256: &'static str,
}

/// Every wheel.
pub const WHEELS: &[Wheel] = &[
    Wheel {
        package: "silero-vad",
        version: "6.2.1",
        file: "silero_vad-6.2.1-py3-none-any.whl",
        sha256: "09de93c4d874bb19c53e62a47dd38be5f163cedad2b5599583231f2a84ef79cb",
        models: &[
            Model {
                name: "silero_vad",
                member: "silero_vad/data/silero_vad.onnx",
                sha256: "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
            },
            Model {
                name: "silero_vad_16k_op15",
                member: "silero_vad/data/silero_vad_16k_op15.onnx",
                sha256: "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
            },
            Model {
                name: "silero_vad_half",
                member: "silero_vad/data/silero_vad_half.onnx",
                sha256: "1e0b195ad4806595ef4466f419d16fca7e4afcfc6669b8c0b5f76ea87547c769",
            },
            Model {
                name: "silero_vad_op18_ifless",
                member: "silero_vad/data/silero_vad_op18_ifless.onnx",
                sha256: "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
            },
        ],
    },
    Wheel {
        package: "magika",
        version: "1.0.3",
        file: "magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl",
        sha256: "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
        models: &[Model {
            name: "magika",
            member: "magika/models/standard_v3_3/model.onnx",
            sha256: "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
        }],
    },
    Wheel {
        package: "rapidocr-onnxruntime",
        version: "1.4.4",
        file: "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
        sha256: "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
        models: &[
            Model {
                name: "ppocr_det",
                member: "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
                sha256: "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
            },
            Model {
                name: "ppocr_rec",
                member: "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
                sha256: "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
            },
            Model {
                name: "ppocr_cls",
                member: "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
                sha256: "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
            },
        ],
    },
];
