//! CSV files: read as they come, and refused with the row and the column that are at fault.
#![cfg(feature = "data")]

mod common;

use std::io::Write;
use std::path::Path;

use common::{assert_tells, classifier, data_file, info, regressor, where_and_what};
use nnc_runtime::Error;
use nnc_runtime::data::csv::{
    CsvOptions, Table, encode, encode_inputs, infer, infer_features, read, read_like,
};
use nnc_runtime::data::{DataSet, Schema, SplitOptions, Targets, split};
use nnc_runtime::model::{ModelInfo, OutputInfo, StepError, Target, TargetLimits};
use nnc_runtime::safetensors::Metadata;
use proptest::prelude::*;

fn target(name: &str) -> CsvOptions {
    CsvOptions { target: vec![name.into()], ..CsvOptions::default() }
}

fn table(text: impl AsRef<[u8]>) -> Result<Table, Error> {
    Table::from_reader("data.csv", text.as_ref(), b',')
}

fn read_text(text: &str, options: &CsvOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let table = table(text)?;
    encode(&table, &infer(&table, options, info)?, info)
}

#[test]
fn the_iris_are_read() {
    let data = read(data_file("iris.csv"), &target("species"), &classifier(4, 3)).unwrap();
    assert_eq!((data.rows, data.features), (150, 4));
    assert_eq!(data.row(0), [5.1, 3.5, 1.4, 0.2]);
    assert_eq!(data.class_names(), ["setosa", "versicolor", "virginica"]);
    assert_eq!(data.feature_names()[0], "sepal_length");
    let Targets::Classes(classes) = &data.targets else { unreachable!() };
    assert_eq!((classes[0], classes[50], classes[149]), (0, 1, 2));
    assert_eq!((data.lines[0], data.lines[149]), (2, 151));
    assert_eq!(split(&data, &SplitOptions::default()).unwrap().train.rows, 120);
}

#[test]
fn the_other_files_of_the_repository_are_read() {
    for (name, column, info, rows) in [
        ("wine.csv", "class", classifier(13, 3), 178),
        ("diabetes.csv", "progression", regressor(10, 1), 442),
        ("digits.csv", "digit", classifier(64, 10), 1797),
    ] {
        let path = data_file(name);
        let last = Table::read(&path, b',').unwrap().header().last().unwrap().clone();
        let data = read(&path, &target(&last), &info).unwrap_or_else(|error| panic!("{column}: {error}"));
        assert_eq!(data.rows, rows, "{name}");
    }
}

#[test]
fn fields_may_be_quoted_and_spaced() {
    let text = concat!(
        "\u{feff}\"a\",\"b, with comma\" ,y\r\n 1 ,\"2\",\"say \"\"hi\"\"\"\r\n",
        "\r\n3, 4e0,\"two\nlines\"\r\n5,6,x"
    );
    let table = table(text).unwrap();
    assert_eq!(table.header(), ["a", "b, with comma", "y"]);
    assert_eq!((table.rows(), table.get(0, 2)), (3, "say \"hi\""));
    assert_eq!((table.get(1, 2), table.get(9, 0), table.get(0, 9), table.line(9)), ("two\nlines", "", "", 0));
    let options = CsvOptions { features: vec!["a".into()], ..target("y") };
    let data = read_text(text, &options, &classifier(1, 3)).unwrap();
    assert_eq!(data.inputs, [1.0, 3.0, 5.0]);
    // Quotes that stand within a field are what they are, and a last one may be closed by the end of the file.
    for text in ["a,b\n1,5\" pipe", "a,b\n1,\"two\nlines\"", "a,b\n1,\"\"\"\"\n\n"] {
        assert_eq!(self::table(text).unwrap().rows(), 1, "{text:?}");
    }
}

/// Found by review: a file of Windows was one line off, and blank lines were not counted.
#[test]
fn lines_are_counted_as_an_editor_does() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["", "a,y", "1,2", "", "", "\"3", "\",4", "5,6", ""].join(end);
        let table = table(text).unwrap();
        let lines: Vec<u64> = (0..table.rows()).map(|row| table.line(row)).collect();
        assert_eq!((table.header_line(), lines), (2, vec![3, 6, 8]), "{end:?}");
    }
}

#[test]
fn other_delimiters_and_gzip_are_read() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(b"a;y\n1,5;0\n2;1\n").unwrap();
    let packed = packed.finish().unwrap();
    file.write_all(&packed).unwrap();
    let table = Table::read(file.path(), b';').unwrap();
    assert_eq!((table.get(0, 0), table.get(1, 1)), ("1,5", "1"));
    let options = CsvOptions { delimiter: b';', ..target("y") };
    let error = read(file.path(), &options, &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0407", &["`1,5`", "write decimals with a point"]);

    let half = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(half.path(), &packed[..packed.len() - 9]).unwrap();
    assert_tells(&Table::read(half.path(), b';').unwrap_err(), "E0415", &["is damaged"]);
}

#[test]
fn a_wrong_delimiter_is_guessed() {
    let error = read_text("a;b;y\n1;2;3\n", &target("y"), &regressor(2, 1)).unwrap_err();
    assert_tells(&error, "E0406", &["set `delimiter \";\"`"]);
}

#[test]
fn text_columns_become_categories() {
    let text = "size,color,y\n1,red,0\n2,green,1\n3,red,2\n4,blue,3\n";
    let data = read_text(text, &target("y"), &regressor(4, 1)).unwrap();
    assert_eq!(data.feature_names(), ["size", "color=blue", "color=green", "color=red"]);
    assert_eq!(data.row(1), [2.0, 0.0, 1.0, 0.0]);
    // What travels with the weights reads another file in the same way, whatever it holds.
    let mut metadata = Metadata::new();
    data.schema.to_metadata(&mut metadata);
    let schema = Schema::from_metadata(&metadata);
    assert_eq!(schema, data.schema);
    let other = table("color,unused,size\nred,x,9\n").unwrap();
    assert_eq!(encode_inputs(&other, &schema, &regressor(4, 1)).unwrap().inputs, [9.0, 0.0, 0.0, 1.0]);
    let unknown = table("color,size\nred,1\npink,9\n").unwrap();
    let error = encode_inputs(&unknown, &schema, &regressor(4, 1)).unwrap_err();
    assert_tells(&error, "E0416", &["`pink`", "`blue`, `green`, `red`", "data.csv:3, column `color`"]);
}

#[test]
fn too_many_features_tell_which() {
    let text = "size,color,y\n1,red,0\n2,green,1\n3,blue,2\n";
    let error = read_text(text, &target("y"), &regressor(2, 1)).unwrap_err();
    let words =
        ["takes 2 values a sample, found 4", "column `color` is text: 3 categories", "`size`", "`input [4]`"];
    assert_tells(&error, "E0416", &words);
}

#[test]
fn columns_are_chosen_and_left_out() {
    let text = "id,a,b,y\n7,1,2,3\n8,4,5,6\n";
    let options = CsvOptions { ignore: vec!["id".into()], ..target("y") };
    assert_eq!(read_text(text, &options, &regressor(2, 1)).unwrap().inputs, [1.0, 2.0, 4.0, 5.0]);
    let options = CsvOptions { features: vec!["b".into(), "a".into()], ..target("y") };
    assert_eq!(read_text(text, &options, &regressor(2, 1)).unwrap().inputs, [2.0, 1.0, 5.0, 4.0]);
    let options = CsvOptions { ignore: vec!["idd".into()], ..target("y") };
    let error = read_text(text, &options, &regressor(2, 1)).unwrap_err();
    assert_tells(&error, "E0406", &["ignored column `idd`", "did you mean `id`?"]);
    let options = CsvOptions { features: vec!["a".into(), "y".into()], ..target("y") };
    let error = read_text(text, &options, &regressor(2, 1)).unwrap_err();
    assert_tells(&error, "E0416", &["column `y` is the target"]);
}

#[test]
fn a_missing_target_column_is_told_with_a_suggestion() {
    let text = "width,species\n1,a\n2,b\n";
    let error = read_text(text, &target("specis"), &classifier(1, 2)).unwrap_err();
    let words = ["target column `specis`", "did you mean `species`?", "`width`, `species`", "data.csv:1"];
    assert_tells(&error, "E0406", &words);
    let error = read_text("1,2\n3,4\n", &target("y"), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0406", &["the first line holds numbers"]);
    let error = read_text(text, &CsvOptions::default(), &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0406", &["no column", "`target NAME`"]);
}

#[test]
fn a_missing_value_names_row_and_column() {
    for missing in ["", " ", "NA", "N/A", "nan", "NaN", "null", "?"] {
        let text = format!("a,b,y\n1,2,3\n4,{missing},6\n7,{missing},9\n");
        let error = read_text(&text, &target("y"), &regressor(2, 1)).unwrap_err();
        assert_tells(&error, "E0408", &["column `b`", "data.csv:3", "2 such values", "`ignore [b]`"]);
    }
    let error = read_text("a,y\n1,u\n2,\n", &target("y"), &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0408", &["target column `y`", "data.csv:3"]);
    let error = read_text("a,y\nred,1\n,2\nblue,3", &target("y"), &regressor(2, 1)).unwrap_err();
    assert_tells(&error, "E0408", &["column `a`", "data.csv:3"]);
}

#[test]
fn text_in_a_numeric_column_names_row_and_column() {
    let text = "a,b,y\n1,2,3\n4,five,6\n7,8,9\n";
    let error = read_text(text, &target("y"), &regressor(2, 1)).unwrap_err();
    assert_tells(
        &error,
        "E0407",
        &["expected a number in column `b`, found `five`", "data.csv:3, column `b`"],
    );
    let text = "a,y\n1,2\n3,four\n5,6\n";
    let error = read_text(text, &target("y"), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0407", &["column `y`", "`four`"]);
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for field in ["inf", "-Infinity", "1e39"] {
        let text = format!("a,y\n1,2\n{field},4\n");
        let error = read_text(&text, &target("y"), &regressor(1, 1)).unwrap_err();
        assert_tells(&error, "E0411", &[field, "column `a`", "data.csv:3"]);
    }
}

#[test]
fn classes_are_sorted_by_number_where_they_are_numbers() {
    let text = "a,y\n1,10\n2,9\n3,2.0\n4,2\n";
    let data = read_text(text, &target("y"), &classifier(1, 3)).unwrap();
    assert_eq!(data.targets, Targets::Classes(vec![2, 1, 0, 0]));
    assert_eq!(data.class_names()[1..], ["9", "10"]);
}

#[test]
fn another_number_of_classes_is_told() {
    let text = "a,y\n1,u\n2,v\n3,w\n";
    let error = read_text(text, &target("y"), &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0416", &["has 3 classes", "has 2", "`u`, `v`, `w`", "`dense(3)`"]);
    let error = read_text(text, &target("y"), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0416", &["3 different texts"]);
}

#[test]
fn names_become_values_for_a_model_of_values() {
    let text = "a,y\n1,no\n2,yes\n3,no\n";
    let data = read_text(text, &target("y"), &regressor(1, 1)).unwrap();
    assert_eq!(data.targets, Targets::Values(vec![0.0, 1.0, 0.0], 1));
    assert_eq!(data.class_names(), ["no", "yes"]);
    let data = read_text(text, &target("y"), &regressor(1, 2)).unwrap();
    assert_eq!(data.targets, Targets::Values(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2));
}

#[test]
fn several_target_columns_are_several_values() {
    let text = "a,u,v\n1,2,3\n4,5,6\n";
    let options = CsvOptions { target: vec!["v".into(), "u".into()], ..CsvOptions::default() };
    let data = read_text(text, &options, &regressor(1, 2)).unwrap();
    assert_eq!(data.targets, Targets::Values(vec![3.0, 2.0, 6.0, 5.0], 2));
    let error = read_text(text, &options, &classifier(1, 2)).unwrap_err();
    assert_tells(&error, "E0416", &["which one column names, found 2"]);
    let error = read_text(text, &options, &regressor(1, 3)).unwrap_err();
    assert_tells(&error, "E0416", &["compared with 3 values, the target is 2 columns"]);
}

#[test]
fn target_columns_are_dealt_out_to_the_outputs() {
    let text = "a,y,x,sort\n1,2,3,cat\n4,5,6,ant\n7,8,9,dog\n";
    let options = |names: &[&str]| CsvOptions {
        target: names.iter().map(ToString::to_string).collect(),
        ..CsvOptions::default()
    };
    let info = where_and_what();
    let data = read_text(text, &options(&["x", "y", "sort"]), &info).unwrap();
    assert_eq!(data.targets, Targets::Values(vec![3.0, 2.0, 1.0, 6.0, 5.0, 0.0, 9.0, 8.0, 2.0], 3));
    assert_eq!(data.inputs, [1.0, 4.0, 7.0]);
    assert_eq!(data.class_names(), ["ant", "cat", "dog"]);
    assert_eq!(data.schema.targets[0].columns, ["x", "y"]);
    let error = read_text(text, &options(&["x", "sort"]), &info).unwrap_err();
    let words =
        ["3 columns, the target is 2 columns", "2 columns for `place`, a column of classes for `kind`"];
    assert_tells(&error, "E0416", &words);
    let error = read_text(text, &options(&["x", "sort", "y"]), &info).unwrap_err();
    assert_tells(&error, "E0407", &["column `sort`"]);
    // Data in memory is checked too.
    let wrong = |values: Vec<f32>| DataSet::from_rows(vec![0.0; 2], 1, Targets::Values(values, 3)).unwrap();
    assert!(wrong(vec![0.5, 0.5, 2.0, 0.5, 0.5, 0.0]).check(&info).is_ok());
    for (class, words) in
        [(3.0, "target 3 in row 2"), (0.5, "target 0.5 in row 2"), (-1.0, "target -1 in row 2")]
    {
        let error = wrong(vec![0.5, 0.5, 2.0, 0.5, 0.5, class]).check(&info).unwrap_err();
        assert_tells(&error, "E0416", &[words, "one of the 3 classes of `kind`"]);
    }
    let target = [0.5, 0.5, 2.0, 0.5, 0.5, 7.0];
    let error = info.check_batch(&[0.0; 2], &Target::Values(&target)).unwrap_err();
    assert_eq!(error, StepError::Class { sample: 1, class: 7, classes: 3 });
}

#[test]
fn two_texts_are_the_two_values_that_the_loss_takes() {
    let text = "a,y\n1,no\n2,yes\n3,no\n";
    let sign = |len: usize| {
        let limits = TargetLimits { low: -1.0, high: 1.0, only_ends: true, ..TargetLimits::ANY };
        let info = regressor(1, len);
        let output = OutputInfo { limits, ..info.outputs[0] };
        ModelInfo { outputs: Box::leak(Box::new([output])), ..info }
    };
    let data = read_text(text, &target("y"), &sign(1)).unwrap();
    assert_eq!(data.targets, Targets::Values(vec![-1.0, 1.0, -1.0], 1));
    assert_eq!(data.class_names(), ["no", "yes"]);
    let data = read_text("a,y\n1,p\n2,q\n3,r\n", &target("y"), &sign(3)).unwrap();
    let rows = vec![1.0, -1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0];
    assert_eq!(data.targets, Targets::Values(rows, 3));
    // Numbers are taken as they are, and 0 is none of the two.
    let error = read_text("a,y\n1,1\n2,0\n", &target("y"), &sign(1)).unwrap_err();
    let words = ["target 0 in row 2 is not -1 or 1", ":3, column `y`", "write -1 for one class"];
    assert_tells(&error, "E0416", &words);
}

#[test]
fn a_class_that_training_never_saw_is_named() {
    let model = classifier(1, 2);
    let schema = read_text("a,y\n1,cat\n2,dog\n", &target("y"), &model).unwrap().schema;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"a,y\n1,cat\n2,dogg\n").unwrap();
    let error = read_like(file.path(), &target("y"), &schema, &model).unwrap_err();
    let words = ["class `dogg` was never seen in training", ":3, column `y`", "`cat`, `dog`", "mean `dog`?"];
    assert_tells(&error, "E0409", &words);
}

#[test]
fn a_model_without_loss_has_no_target() {
    let error = read_text("a,y\n1,2\n", &target("y"), &info(1, 1, None)).unwrap_err();
    assert_tells(&error, "E0401", &["`Net`"]);
    let table = table("a,b\n1,2\n").unwrap();
    let schema = infer_features(&table, &CsvOptions::default()).unwrap();
    assert_eq!(encode_inputs(&table, &schema, &info(2, 1, None)).unwrap().inputs, [1.0, 2.0]);
}

#[test]
fn what_is_no_csv_is_refused() {
    for (text, words) in [
        (&b""[..], "it is empty"),
        (b"\n\n", "it is empty"),
        (b"a,b\n1,2,3\n", "line 2 has 3 fields, expected 2"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 field, expected 2"),
        (b"a,b\n1,\"x\n3,y\n", "line 2 opens a quote that nothing closes"),
        (b"a,b\n1,x\n\"3,y\n\n", "line 3 opens a quote that nothing closes"),
        (b"a,\"b\n1,x\n", "line 1 opens a quote that nothing closes"),
        (b"a,b,a\n1,2,3\n", "two columns are called `a`"),
        (b"a,b\n1,\xff\n", "not UTF-8"),
        (b"\xff\xfea\x00,\x00b\x00", "looks like UTF-16"),
    ] {
        assert_tells(&table(text).unwrap_err(), "E0415", &["data.csv", words]);
    }
    assert_tells(&table("a,b\n").unwrap_err(), "E0410", &["data.csv", "a header, but no rows"]);
    let missing = Table::read(Path::new("no such file.csv"), b',').unwrap_err();
    assert_tells(&missing, "E0414", &["cannot read `no such file.csv`", "no such file or directory"]);
    let folder = tempfile::tempdir().unwrap();
    assert_tells(&Table::read(folder.path(), b',').unwrap_err(), "E0414", &["it is a folder"]);
}

/// A column of names makes one input for each row: no room is made for them.
#[test]
fn a_column_of_names_takes_no_memory() {
    let mut text = String::from("name,y\n");
    (0..50_000).for_each(|row| text.push_str(&format!("n{row},{row}\n")));
    let error = read_text(&text, &target("y"), &regressor(1, 1)).unwrap_err();
    assert_tells(&error, "E0416", &["found 50000", "column `name` is text"]);
}

/// Whatever is read: an error or a data set that fits.
fn never_panics(text: &[u8]) {
    for model in [regressor(1, 1), classifier(2, 2), regressor(2, 2)] {
        for options in [target("y"), CsvOptions { ignore: vec!["a".into()], ..target("b") }] {
            let data = table(text).and_then(|table| {
                let schema = infer(&table, &options, &model)?;
                encode(&table, &schema, &model)
            });
            if let Ok(data) = data {
                assert_eq!(data.check(&model), Ok(()));
                assert_eq!(data.rows, data.lines.len());
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&text);
    }

    #[test]
    fn random_tables_never_panic(text in "(a|b|y|,|;|\"|\n|\r|[0-9.eE+-]|é| |NA){0,60}") {
        never_panics(text.as_bytes());
    }

    #[test]
    fn random_rows_never_panic(rows in "((1|x|-2.5|\"q\"|inf|),(1|z|),(0|1|u|é)\n){0,12}") {
        never_panics(format!("a,b,y\n{rows}").as_bytes());
    }

    #[test]
    fn numbers_come_back(values in proptest::collection::vec(-1e30_f32..1e30, 1..20)) {
        let mut text = String::from("a,y\n");
        values.iter().for_each(|value| text.push_str(&format!("{value:e},{value}\n")));
        let data = read_text(&text, &target("y"), &regressor(1, 1)).unwrap();
        prop_assert_eq!(&data.inputs, &values);
        prop_assert_eq!(data.targets, Targets::Values(values, 1));
    }
}
