//! Prediction with running figures folded into the layer before them, and kept apart.

mod common;

use common::{Folder, MODEL, ROWS};

fn predictions(folder: &Folder, more: &[&str]) -> Vec<f64> {
    let arguments = [&["predict", "small.nn", "--input", "rows.csv"][..], more].concat();
    let ran = folder.run(&arguments).ok();
    let rows = ran.out.lines().skip(1);
    let cells = rows.flat_map(|row| row.split(',').skip(1).map(str::to_owned).collect::<Vec<_>>());
    cells.map(|cell| cell.parse().expect("a probability")).collect()
}

#[test]
fn folded_and_unfolded_predictions_agree() {
    let body =
        "hidden: dense(4, bias = false) -> batch_norm -> relu\n    dense(5) -> batch_norm(affine = false)";
    let model = MODEL.replace("hidden: dense(4) -> relu", body).replace("    head: dense(2)\n", "");
    let model = model.replace("dense(5) ->", "dense(2) ->");
    let folder = Folder::new().with("small.nn", model).with("rows.csv", ROWS);
    folder.run(&["train", "small.nn"]).ok();
    let folded = predictions(&folder, &[]);
    assert_eq!(folded.len(), 32);
    for engine in ["compiled", "reference"] {
        let apart = predictions(&folder, &["--no-fold", "--engine", engine]);
        for (folded, apart) in folded.iter().zip(&apart) {
            assert!((folded - apart).abs() <= 1e-5, "{folded} folded, {apart} apart");
        }
    }
}
