//! Checkpoints: what they bring back, and what they refuse.
#![cfg(feature = "std")]

mod common;

use std::path::PathBuf;

use common::{Linear, assert_tells, line};
use nnc_runtime::model::{Layout, Role, TensorInfo, Train};
use nnc_runtime::safetensors::{LoadOptions, Metadata, SafeTensors};
use nnc_runtime::{checkpoint, safetensors};

fn trained() -> Linear {
    let data = line(8);
    let mut model = Linear::new();
    model.lr = 1e-6;
    for _ in 0..3 {
        model.step_rows(&data.inputs, data.targets.range(0, 8)).unwrap();
    }
    model
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    (folder, path)
}

#[test]
fn weights_states_steps_and_metadata_come_back() {
    let (_folder, path) = file();
    let model = trained();
    let metadata = Metadata::from([("note".to_owned(), "a \"quoted\" word\n".to_owned())]);
    checkpoint::save(&model, &path, &metadata).unwrap();
    let mut back = Linear::new();
    let found = checkpoint::load(&mut back, &path).unwrap();
    assert_eq!(back.bits(), model.bits());
    assert_eq!(back.steps(), 3);
    assert_eq!(found["note"], metadata["note"]);
    assert_eq!(found["model"], "Line");
}

#[test]
fn a_checkpoint_is_a_weights_file_too() {
    let (_folder, path) = file();
    let model = trained();
    checkpoint::save(&model, &path, &Metadata::new()).unwrap();
    let mut back = Linear::new();
    safetensors::load(&mut back, &path, &LoadOptions::default()).unwrap();
    assert_eq!(back.tensors, model.tensors);
    assert_eq!((back.steps(), &back.velocity), (0, &Linear::new().velocity));
}

#[test]
fn weights_are_no_checkpoint() {
    let (_folder, path) = file();
    safetensors::save(&trained(), &path, &Metadata::new()).unwrap();
    let mut model = Linear::new();
    let error = checkpoint::load(&mut model, &path).unwrap_err();
    assert_tells(&error, "E0419", &["weights alone", "load it as weights"]);
    assert_eq!(model, Linear::new());
}

#[test]
fn a_checkpoint_of_another_optimizer_is_refused() {
    let (_folder, path) = file();
    let plain = Linear::with_info(|info| info.states = &[]);
    checkpoint::save(&plain, &path, &Metadata::new()).unwrap();
    let mut model = Linear::new();
    let error = checkpoint::load(&mut model, &path).unwrap_err();
    assert_tells(&error, "E0419", &["no whole state `velocity`", "checkpoint.safetensors"]);
    assert_eq!(model, Linear::new());
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let (_folder, path) = file();
    checkpoint::save(&trained(), &path, &Metadata::new()).unwrap();
    let mut other = Linear::with_info(|info| {
        info.spec_hash = "00000000000000000000000000000009";
        info.name = "Other";
    });
    let error = checkpoint::load(&mut other, &path).unwrap_err();
    assert_tells(&error, "E0413", &["another specification", "weights of model `Line`"]);
}

/// Layers may be called as the parts of a checkpoint are.
#[test]
fn labels_never_collide_with_the_states() {
    static TENSORS: [TensorInfo; 4] = {
        const fn tensor(name: &'static str, shape: &'static [usize], len: usize) -> TensorInfo {
            TensorInfo { name, shape, layout: Layout::Vector { len }, role: Role::Parameter, layer: "best" }
        }
        [
            tensor("best.line.weight", &[2], 2),
            tensor("optimizer.velocity.line.weight", &[2], 2),
            tensor("line.weight", &[1, 2], 2),
            tensor("line.bias", &[1], 1),
        ]
    };
    let (_folder, path) = file();
    let named = || Linear::with_info(|info| (info.tensors, info.normalize) = (&TENSORS, &[]));
    let mut model = named();
    model.velocity[1] = vec![5.0, 6.0];
    checkpoint::save(&model, &path, &Metadata::new()).unwrap();
    let mut back = named();
    checkpoint::load(&mut back, &path).unwrap();
    assert_eq!(back.bits(), model.bits());
    assert_eq!(SafeTensors::read(&path).unwrap().entries().len(), 8);
}

#[test]
fn a_truncated_checkpoint_is_refused_at_every_length() {
    let (_folder, path) = file();
    checkpoint::save(&trained(), &path, &Metadata::new()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        let mut model = Linear::new();
        assert_eq!(checkpoint::load(&mut model, &path).unwrap_err().code, "E0415", "{len} bytes");
        assert_eq!(model, Linear::new());
    }
}

#[test]
fn a_checkpoint_without_steps_is_refused() {
    let (_folder, path) = file();
    checkpoint::save(&trained(), &path, &Metadata::new()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(7).position(|word| word == b"\"steps\"").unwrap();
    let mut damaged = bytes;
    damaged[at + 1] = b'S';
    std::fs::write(&path, damaged).unwrap();
    let error = checkpoint::load(&mut Linear::new(), &path).unwrap_err();
    assert_tells(&error, "E0419", &["`steps` is missing"]);
}
