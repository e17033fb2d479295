//! Data and weights that are wrong: each has a code and a place, and nothing is left half-written.

mod common;

use common::{Folder, MODEL, ROWS, Ran};

/// Training on these rows fails.
#[track_caller]
fn train_on(rows: &str, code: &str) -> Ran {
    train(MODEL, rows, code)
}

/// Training this model on these rows fails.
#[track_caller]
fn train(model: &str, rows: &str, code: &str) -> Ran {
    let folder = Folder::new().with("small.nn", model).with("rows.csv", rows);
    folder.fails(&["train", "small.nn", "--engine", "reference"], code)
}

#[test]
fn a_missing_target_column() {
    train(&MODEL.replace("target kind", "target kid"), ROWS, "E0406")
        .says("--> rows.csv:1")
        .says("did you mean `kind`?");
}

#[test]
fn a_missing_file() {
    let folder = Folder::new().with("small.nn", MODEL);
    folder.fails(&["train", "small.nn"], "E0414").says("rows.csv");
    folder.fails(&["train", "small.nn", "--data", "elsewhere"], "E0414").says("elsewhere");
}

#[test]
fn an_empty_table() {
    let empty = train_on("", "E0415");
    assert!(empty.err.contains("rows.csv"), "{empty}");
    train_on("x,y,kind\n", "E0410").says("rows.csv").says("no rows");
}

#[test]
fn text_where_numbers_are() {
    train_on(&ROWS.replacen("1,2,up", "1,two,up", 1), "E0407")
        .says("rows.csv:6, column `y`")
        .says("found `two`");
}

/// The small model with one output and this loss, on numbers for the kind.
fn with_loss(loss: &str) -> String {
    MODEL.replace("dense(2)", "dense(1)").replace("cross_entropy", loss)
}

#[test]
fn targets_that_the_loss_does_not_take() {
    let numbers = |up: &str, down: &str| ROWS.replace("up", up).replace("down", down);
    train(&with_loss("binary_cross_entropy_with_logits"), &numbers("1", "-1"), "E0416")
        .says("target -1 in row 2 is not from 0 to 1")
        .says("rows.csv:3, column `kind`")
        .says("scale the targets to that range");
    train(&with_loss("hinge"), &numbers("1", "0"), "E0416")
        .says("target 0 in row 2 is not -1 or 1")
        .says("rows.csv:3, column `kind`")
        .says("write -1 for one class and 1 for the other");
    train(&with_loss("poisson"), &numbers("3", "-0.5"), "E0416")
        .says("target -0.5 in row 2 is not at least 0");
}

/// Two texts are -1 and 1 for a loss that takes these: with outputs of 1/2 their losses are 3/2 and 1/2.
#[test]
fn two_texts_are_what_hinge_takes() {
    let still = with_loss("hinge")
        .replace("dense(1)", "dense(1, init = zeros, bias_init = constant(value = 0.5))")
        .replace("lr = 0.01", "lr = 1e-12")
        .replace("epochs 2", "epochs 1")
        .replace("split 0.75", "split 1");
    let of = |rows: &str| {
        let folder = Folder::new().with("small.nn", &still).with("rows.csv", rows);
        let ran =
            folder.run(&["train", "small.nn", "--engine", "reference", "--message-format", "json"]).ok();
        ran.event("finished")["loss"].as_f64().expect("a loss")
    };
    let losses = [
        of(ROWS),
        of(&ROWS.replace("up", "1").replace("down", "-1")),
        of(&ROWS.replacen("-1,-1,down\n", "", 1)),
    ];
    // Eight of each, and then one of those that are far off less.
    for (loss, expected) in losses.into_iter().zip([1.0, 1.0, (8.0 * 0.5 + 7.0 * 1.5) / 15.0]) {
        assert!((loss - expected).abs() < 1e-6, "{losses:?}");
    }
}

#[test]
fn a_missing_value() {
    train_on(&ROWS.replacen("1,2,up", ",2,up", 1), "E0408").says("rows.csv:6, column `x`");
    train_on(&ROWS.replacen("1,2,up", "1,2,", 1), "E0408").says("rows.csv:6, column `kind`");
}

#[test]
fn a_row_of_another_length() {
    train_on(&ROWS.replacen("1,2,up", "1,2", 1), "E0415").says("rows.csv:6");
}

#[test]
fn numbers_that_are_not_finite() {
    train_on(&ROWS.replacen("1,2,up", "NaN,2,up", 1), "E0408").says("rows.csv:6, column `x`");
    train_on(&ROWS.replacen("1,2,up", "inf,2,up", 1), "E0411").says("rows.csv:6, column `x`");
    train_on(&ROWS.replacen("1,2,up", "1e60,2,up", 1), "E0411").says("rows.csv:6, column `x`");
}

#[test]
fn a_class_that_training_never_saw() {
    let model = MODEL
        .replace("csv \"rows.csv\"", "csv \"rows.csv\"\n    test \"test.csv\"")
        .replace("split 0.75", "");
    let folder = Folder::new()
        .with("small.nn", model)
        .with("rows.csv", ROWS)
        .with("test.csv", "x,y,kind\n1,1,up\n1,1,left\n");
    folder
        .fails(&["train", "small.nn"], "E0409")
        .says("test.csv:3, column `kind`")
        .says("`left`")
        .says("`up`");
}

#[test]
fn classes_and_inputs_of_another_number() {
    train(&MODEL.replace("dense(2)", "dense(3)"), ROWS, "E0416").says("`dense(2)`");
    train(&MODEL.replace("input [2]", "input [3]"), ROWS, "E0416").says("rows.csv");
}

#[test]
fn fewer_rows_than_a_batch() {
    train(&MODEL.replace("batch 4", "batch 13"), ROWS, "E0410").says("13 rows").says("`batch 12`");
}

#[test]
fn a_loss_that_becomes_nan_ends_training_and_keeps_what_was_good() {
    // The same inputs in both classes: whatever is learnt is wrong for one of them.
    let swapped = ROWS.replace("up", "?").replace("down", "up").replace('?', "down");
    let rows = ROWS.to_owned() + swapped.strip_prefix("x,y,kind\n").expect("a header");
    let model = MODEL.replace("lr = 0.01", "lr = 1e30");
    for engine in ["compiled", "reference"] {
        let folder = Folder::new().with("small.nn", &model).with("rows.csv", &rows);
        let ran = folder.run(&["train", "small.nn", "--engine", engine]);
        ran.is_error("E0412");
        ran.says(" at step 2, in epoch 1, first in layer `head` at small.nn:4:5")
            .says("lower the learning rate");
        // The last good checkpoint, whole, and no weights.
        assert_eq!(folder.files(), ["rows.csv", "small.checkpoint.safetensors", "small.nn"]);
        let checkpoint = "small.checkpoint.safetensors";
        let weights = ["--engine", engine, "--weights", checkpoint];
        let ran = folder.run(&[&["predict", "small.nn", "--input", "rows.csv"][..], &weights].concat()).ok();
        assert!(!ran.out.contains("NaN") && !ran.out.contains("inf"), "what is good predicts numbers\n{ran}");
        folder.run(&["train", "small.nn", "--engine", engine, "--resume"]).is_error("E0412");
    }
}

/// A folder with the small model trained, by the engine that needs no rustc.
fn trained() -> Folder {
    let folder = Folder::small();
    folder.run(&["train", "small.nn", "--engine", "reference"]).ok();
    folder
}

#[test]
fn weights_of_another_model_name_the_layer_and_both_shapes() {
    let folder = trained().with("wide.nn", MODEL.replace("dense(4)", "dense(5)"));
    for command in ["eval", "predict"] {
        let arguments = [command, "wide.nn", "--engine", "reference", "--weights", "small.safetensors"];
        folder
            .fails(&arguments, "E0413")
            .says("`hidden.weight` of layer `hidden` has shape [4, 2], expected [5, 2]")
            .says("`head.weight`");
    }
    let folder = folder.with("tanh.nn", MODEL.replace("relu", "tanh"));
    folder
        .fails(&["eval", "tanh.nn", "--engine", "reference", "--weights", "small.safetensors"], "E0413")
        .says("an activation")
        .says("help: train again");
    // What was there is there still.
    folder.run(&["eval", "small.nn", "--engine", "reference"]).ok();
}

#[test]
fn weights_that_are_not_there_or_damaged() {
    let folder = trained();
    let whole = folder.bytes("small.safetensors");
    let eval = |folder: &Folder, name: &str, code: &str| {
        folder.fails(&["eval", "small.nn", "--engine", "reference", "--weights", name], code).says(name)
    };
    eval(&folder, "none.safetensors", "E0414");
    for length in [0, 4, 8, 100, whole.len() - 1] {
        let folder = Folder::small().with("cut.safetensors", &whole[..length]);
        eval(&folder, "cut.safetensors", "E0415");
    }
    let mut header = whole.clone();
    header[7] = 0xff;
    let folder =
        Folder::small().with("header.safetensors", header).with("text.safetensors", "these are no weights");
    eval(&folder, "header.safetensors", "E0415");
    eval(&folder, "text.safetensors", "E0415");
}

#[test]
fn a_checkpoint_that_cannot_be_resumed() {
    let folder = trained();
    let resume = |folder: &Folder, more: &[&str], code: &str| {
        let mut arguments = vec!["train", "small.nn", "--engine", "reference", "--resume"];
        arguments.extend(more);
        folder.fails(&arguments, code)
    };
    resume(&folder, &["--seed", "9"], "E0419").says("seed");
    resume(&folder, &["--out", "other.safetensors"], "E0414").says("other.checkpoint.safetensors");
    let weights = Folder::small().with("small.checkpoint.safetensors", folder.bytes("small.safetensors"));
    resume(&weights, &[], "E0419").says("without the state of the optimizer");
    let whole = folder.bytes("small.checkpoint.safetensors");
    let cut = Folder::small().with("small.checkpoint.safetensors", &whole[..whole.len() - 5]);
    resume(&cut, &[], "E0415");
    let rows =
        Folder::small().with("small.checkpoint.safetensors", whole).with("rows.csv", ROWS.replace('3', "4"));
    resume(&rows, &[], "E0419").says("data");
}

#[test]
fn a_place_that_cannot_be_written() {
    let folder = Folder::small();
    folder
        .fails(&["train", "small.nn", "--out", "none/w.safetensors"], "E0417")
        .says("its folder is not there");
    folder.fails(&["train", "small.nn", "--out", "."], "E0417").says("it is a folder");
}

#[test]
fn rows_to_predict_that_do_not_fit() {
    let folder = trained()
        .with("short.csv", "x\n1\n")
        .with("text.csv", "x,y\n1,1\n1,two\n")
        .with("nan.csv", "y,x\n1,NaN\n")
        .with("empty.csv", "");
    let predict = |name: &str, code: &str| {
        let ran = folder.fails(&["predict", "small.nn", "--engine", "reference", "--input", name], code);
        assert_eq!(ran.out, "", "all rows or none");
        ran
    };
    predict("short.csv", "E0406").says("`y`");
    predict("text.csv", "E0407").says("text.csv:3, column `y`");
    predict("nan.csv", "E0408").says("nan.csv:2, column `x`");
    predict("empty.csv", "E0415");
    predict("none.csv", "E0414");
}

/// A model of images in MNIST's format.
const IMAGES: &str = r#"model Images {
    input [2, 2]
    flatten
    dense(2)
    loss cross_entropy
    optimizer sgd(lr = 0.1)
}

data {
    idx "images"
    labels "labels"
}

train {
    epochs 1
    batch 4
}
"#;

/// Eight images of four pixels and their labels.
fn idx() -> (Vec<u8>, Vec<u8>) {
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 2];
    images.extend((0..32).map(|pixel| pixel * 7));
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0, 8];
    labels.extend([0, 1, 0, 1, 0, 1, 0, 1]);
    (images, labels)
}

fn images(images: &[u8], labels: &[u8]) -> Folder {
    Folder::new().with("images.nn", IMAGES).with("images", images).with("labels", labels)
}

#[test]
fn whole_images_are_read() {
    let (pixels, labels) = idx();
    let folder = images(&pixels, &labels);
    folder.run(&["train", "images.nn", "--engine", "reference"]).ok();
    let predict = ["predict", "images.nn", "--engine", "reference"];
    let predicted = folder.run(&[&predict[..], &["--input", "images"]].concat()).ok();
    assert_eq!(predicted.out.lines().count(), 9, "a header and a row for each image: {predicted}");
    folder.fails(&predict, "E0414").says("--input");
    folder.fails(&[&predict[..], &["--input", "labels"]].concat(), "E0416");
}

#[test]
fn truncated_images_and_labels() {
    let (pixels, labels) = idx();
    let fails = |pixels: &[u8], labels: &[u8], code: &str| {
        images(pixels, labels).fails(&["train", "images.nn", "--engine", "reference"], code)
    };
    for length in [0, 3, 10, 16, pixels.len() - 1] {
        fails(&pixels[..length], &labels, "E0415").says("images");
    }
    for length in [0, 7, labels.len() - 1] {
        fails(&pixels, &labels[..length], "E0415").says("labels");
    }
    // A header that promises more than any memory holds.
    let mut huge = pixels.clone();
    huge[4..16].fill(0xff);
    fails(&huge, &labels, "E0415");
    let mut wrong = labels.clone();
    *wrong.last_mut().expect("a label") = 7;
    fails(&pixels, &wrong, "E0416");
    // Packed, and cut.
    fails(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2], &labels, "E0415");
}

#[test]
fn values_to_learn_that_are_no_finite_numbers() {
    let model = MODEL
        .replace("dense(2)", "dense(1)")
        .replace("cross_entropy", "mse")
        .replace("target kind", "target z");
    let rows = ROWS.replace("kind", "z").replace("up", "1.5").replace("down", "-1.5");
    for (value, code) in [
        ("NaN", "E0408"),
        ("", "E0408"),
        ("inf", "E0411"),
        ("-inf", "E0411"),
        ("1e60", "E0411"),
        ("a", "E0407"),
    ] {
        train(&model, &rows.replacen("1,2,1.5", &format!("1,2,{value}"), 1), code)
            .says("rows.csv:6, column `z`");
    }
}

#[test]
fn tables_that_cannot_be_read() {
    train_on(&ROWS.replacen("x,y", "x,x", 1), "E0415").says("rows.csv:1").says("`x`");
    let mut bytes = ROWS.as_bytes().to_vec();
    bytes[13] = 0xff;
    let folder = Folder::new().with("small.nn", MODEL).with("rows.csv", bytes);
    folder
        .fails(&["train", "small.nn", "--engine", "reference"], "E0415")
        .says("rows.csv:2")
        .says("not UTF-8");
}

#[test]
fn faults_of_data_are_told_to_programs_with_their_place() {
    let rows = ROWS.replacen("1,2,up", "1,two,up", 1);
    let folder = Folder::new().with("small.nn", MODEL).with("rows.csv", rows);
    let ran = folder.run(&["train", "small.nn", "--engine", "reference", "--message-format", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran}");
    let told = ran.event("error");
    assert_eq!(
        [&told["code"], &told["file"], &told["line"], &told["column"]],
        [&"E0407".into(), &"rows.csv".into(), &6.into(), &serde_json::Value::from("y")]
    );
    assert_eq!(folder.files(), ["rows.csv", "small.nn"]);
}

#[test]
fn weights_of_another_shape_to_start_from() {
    let folder = trained().with("wide.nn", MODEL.replace("dense(4)", "dense(5)"));
    let arguments = ["train", "wide.nn", "--engine", "reference", "--weights", "small.safetensors"];
    folder
        .fails(&arguments, "E0413")
        .says("`hidden.weight` of layer `hidden` has shape [4, 2], expected [5, 2]");
}

#[test]
fn a_header_of_weights_that_lies_about_its_length() {
    // Nearly the whole of 100 MB, and more than there is.
    for (name, length) in [("near", 100_663_295_u64), ("beyond", u64::MAX)] {
        let folder = Folder::small().with(name, length.to_le_bytes());
        let file = std::fs::OpenOptions::new().write(true).open(folder.path(name)).expect("a file");
        file.set_len(100 << 20).expect("a sparse file");
        let started = std::time::Instant::now();
        folder
            .fails(&["eval", "small.nn", "--engine", "reference", "--weights", name], "E0415")
            .says("header");
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}

#[test]
fn folders_where_files_are_wanted() {
    let folder = trained();
    std::fs::create_dir(folder.path("folder")).expect("a folder");
    for arguments in [
        &["train", "small.nn", "--weights", "folder"][..],
        &["eval", "small.nn", "--weights", "folder"],
        &["predict", "small.nn", "--input", "folder"],
        &["train", "small.nn", "--data", "rows.csv"],
        &["train", "small.nn", "--data", "folder"],
    ] {
        folder.fails(&[arguments, &["--engine", "reference"]].concat(), "E0414");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_found_out_before_training() {
    let folder = Folder::small();
    // Not even the superuser makes files there.
    let ran = folder.fails(
        &["train", "small.nn", "--engine", "reference", "--out", "/proc/weights.safetensors"],
        "E0417",
    );
    assert_eq!(ran.out, "", "no epoch was trained in vain");
}
