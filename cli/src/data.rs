//! The data of a model, read as its file says.

use std::fs::File;
use std::path::{Path, PathBuf};

use nnc_compiler::CompiledModel;
use nnc_compiler::program::{self, AugmentUse, DataSource, DataSpec};
use nnc_runtime::Error;
use nnc_runtime::data::csv::{CsvOptions, read_like};
use nnc_runtime::data::idx::IdxOptions;
use nnc_runtime::data::images::{self, ImageOptions};
use nnc_runtime::data::npy::{self, NpyOptions};
use nnc_runtime::data::text::{self, TextOptions};
use nnc_runtime::data::{
    Augmentation, DataSet, Feature, Fill, Schema, Split, SplitOptions, csv, idx, split, with_test,
};
use nnc_runtime::model::ModelInfo;

use crate::arguments::Run;

/// All rows, in parts. The parts depend on the file's `seed` alone, so that runs of other seeds are tested on the same
/// rows.
///
/// # Errors
/// What is wrong with the files and the rows in them.
pub fn load(model: &CompiledModel, info: &ModelInfo, run: &Run) -> Result<Split, Error> {
    let Some(spec) = &model.program.data else {
        return Err(
            Error::new("E0403", "the model's file does not say where the data is").at(&run.source.file)
        );
    };
    let folder = match &run.data {
        Some(folder) => folder.clone(),
        None => run.source.file.parent().map(Path::to_path_buf).unwrap_or_default(),
    };
    let options = SplitOptions {
        train: spec.split,
        validation: spec.validation,
        seed: model.program.train.seed,
        stratify: spec.stratify,
        rows: spec.rows,
    };
    let at = |path: &str| place(&folder, path);
    let (train, test) = match &spec.source {
        DataSource::Csv { path, test } => {
            let options = csv_options(spec);
            let train = csv::read(at(path), &options, info)?;
            check_groups(spec, &train.schema, info).map_err(|error| error.at(at(path)))?;
            let test = match test {
                Some(test) => Some(read_like(&at(test), &options, &train.schema, info)?),
                None => None,
            };
            (train, test)
        }
        DataSource::Text { path, test, stride } => {
            let cut = TextOptions { stride: *stride, train: spec.split, validation: spec.validation };
            let test = test.as_deref().map(at);
            let parts = text::read(&at(path), test.as_deref(), &cut, info)?;
            if !model.graph.carried.is_empty() {
                // In their order: each continues the one before.
                return Ok(parts);
            }
            // The other parts are the end of the text: none of the windows before them is set aside.
            let Split { train, .. } =
                split(&parts.train, &SplitOptions { train: 1.0, validation: 0.0, ..options })?;
            return Ok(Split { train, ..parts });
        }
        DataSource::Npy { inputs, labels, test } => {
            let options = npy_options(spec);
            let read = |inputs: &str, labels: Option<&String>| {
                npy::read(&at(inputs), labels.map(|labels| at(labels)).as_deref(), &options, info)
            };
            let train = read(inputs, labels.as_ref())?;
            let test = test.as_ref().map(|(inputs, labels)| read(inputs, labels.as_ref())).transpose()?;
            (train, test)
        }
        DataSource::Npz { path, arrays, test } => {
            let options = npy_options(spec);
            let (first, others) = arrays.split_at(arrays.len().min(2));
            let train = npy::read_npz(&at(path), first, &options, info)?;
            let test = match test {
                Some(test) => Some(npy::read_npz(&at(test), first, &options, info)?),
                None if others.is_empty() => None,
                None => Some(npy::read_npz(&at(path), others, &options, info)?),
            };
            (train, test)
        }
        DataSource::Images { folder, test } => {
            let options = image_options(spec);
            let train = images::read(&at(folder), &options, info)?;
            let test = match test {
                Some(test) => Some(images::read_like(&at(test), train.class_names(), &options, info)?),
                None => None,
            };
            (train, test)
        }
        DataSource::Idx { images, labels, test } => {
            let options = idx_options(spec);
            let train = idx::read(&at(images), &at(labels), &options, info)?;
            let test = match test {
                Some((images, labels)) => Some(idx::read(&at(images), &at(labels), &options, info)?),
                None => None,
            };
            (train, test)
        }
    };
    match test {
        Some(test) => with_test(&train, test, &options),
        None => split(&train, &options),
    }
}

/// What is done to samples before they are trained on.
pub fn augmentations(model: &CompiledModel) -> Vec<Augmentation> {
    let steps = model.program.data.iter().flat_map(|data| &data.augment);
    let same = |step: &AugmentUse| match step.kind {
        program::Augmentation::Shift { pixels } => Augmentation::Shift { pixels },
        program::Augmentation::Flip => Augmentation::Flip,
        program::Augmentation::Noise { std } => Augmentation::Noise { std },
        program::Augmentation::Crop { padding, fill } => {
            let fill = match fill {
                program::Fill::Zero => Fill::Zero,
                program::Fill::Reflect => Fill::Reflect,
                program::Fill::Edge => Fill::Edge,
            };
            Augmentation::Crop { padding, fill }
        }
    };
    steps.map(same).collect()
}

/// Whether the columns that are listed for each input make as many values as it takes.
fn check_groups(spec: &DataSpec, schema: &Schema, info: &ModelInfo) -> Result<(), Error> {
    let mut columns = schema.features.iter();
    for ((count, _), input) in spec.feature_groups.iter().zip(info.inputs) {
        let found: usize = columns.by_ref().take(*count).map(Feature::width).sum();
        if found != input.len() {
            let (name, expected) = (input.name, input.len());
            let message =
                format!("the columns of input `{name}` make {found} values a sample, it takes {expected}");
            let help = "a column of numbers makes one, a column of text one for each of its categories";
            return Err(Error::new("E0416", message).help(help));
        }
    }
    Ok(())
}

/// A file in the folder; one that is there packed as well is taken packed.
fn place(folder: &Path, path: &str) -> PathBuf {
    let file = folder.join(path);
    if file.exists() {
        return file;
    }
    let mut packed = file.clone().into_os_string();
    packed.push(".gz");
    let packed = PathBuf::from(packed);
    if packed.exists() { packed } else { file }
}

fn delimiter(spec: &DataSpec) -> u8 {
    u8::try_from(spec.delimiter).unwrap_or(b',')
}

fn names(names: &[(String, nnc_grammar::span::Span)]) -> Vec<String> {
    names.iter().map(|(name, _)| name.clone()).collect()
}

fn csv_options(spec: &DataSpec) -> CsvOptions {
    CsvOptions {
        delimiter: delimiter(spec),
        target: names(&spec.target),
        features: names(&spec.features),
        ignore: names(&spec.ignore),
        classes: names(&spec.classes),
    }
}

fn image_options(spec: &DataSpec) -> ImageOptions {
    ImageOptions { scale: spec.scale as f32, classes: names(&spec.classes) }
}

fn idx_options(spec: &DataSpec) -> IdxOptions {
    IdxOptions { scale: Some(spec.scale as f32), classes: names(&spec.classes) }
}

fn npy_options(spec: &DataSpec) -> NpyOptions {
    NpyOptions { scale: spec.scale as f32, classes: names(&spec.classes) }
}

/// Rows to predict from, and what each is called where they have names.
pub struct Rows {
    /// Their inputs alone.
    pub data: DataSet,
    /// The column of names, and the name of each row.
    pub names: Option<(&'static str, Vec<String>)>,
}

/// Rows to predict, read as those that the model was trained on: from a file, or without one, or for `-`, the standard
/// input.
///
/// # Errors
/// What is wrong with the rows.
pub fn inputs(
    model: &CompiledModel,
    schema: &Schema,
    info: &ModelInfo,
    input: Option<&Path>,
) -> Result<Rows, Error> {
    let input = input.filter(|path| *path != Path::new("-"));
    let spec = model.program.data.as_ref();
    let named = |what: &str, example: &str| {
        input.ok_or_else(|| {
            let message = format!("{what} are not read from the standard input");
            Error::new("E0414", message).help(format!("name {example} with `--input`"))
        })
    };
    match spec.map(|spec| (spec, &spec.source)) {
        Some((spec, DataSource::Images { .. })) => {
            let path = named("images", "an image, or a folder of images,")?;
            let (data, names) = images::read_inputs(path, &image_options(spec), info)?;
            return Ok(Rows { data, names: Some(("file", names)) });
        }
        Some((spec, DataSource::Idx { .. })) => {
            let path = named("images in one file", "the file")?;
            let data = idx::read_inputs(path, &idx_options(spec), info)?;
            return Ok(Rows { data, names: None });
        }
        Some((spec, DataSource::Npy { .. })) => {
            let path = named("arrays", "a file of inputs")?;
            let data = npy::read_inputs(path, "x", &npy_options(spec), info)?;
            return Ok(Rows { data, names: None });
        }
        Some((spec, DataSource::Npz { arrays, .. })) => {
            let path = named("arrays", "a file of inputs")?;
            let name = arrays.first().map_or("x", String::as_str);
            let data = npy::read_inputs(path, name, &npy_options(spec), info)?;
            return Ok(Rows { data, names: None });
        }
        _ => {}
    }
    let data = match input {
        Some(path) => {
            let file = File::open(path).map_err(|error| Error::read(path, &error))?;
            table(&path.display().to_string(), file, model, schema, info)?
        }
        None => table("<stdin>", std::io::stdin().lock(), model, schema, info)?,
    };
    Ok(Rows { data, names: None })
}

/// Whether a model's data is a text.
pub fn is_text(model: &CompiledModel) -> bool {
    model.program.data.as_ref().is_some_and(|spec| matches!(spec.source, DataSource::Text { .. }))
}

/// A text to predict from, and what it is in messages: a file, or without one, or for `-`, the standard input.
///
/// # Errors
/// E0414 when it cannot be read, E0415 when it is not UTF-8.
pub fn text_to_continue(input: Option<&Path>) -> Result<(String, String), Error> {
    if let Some(path) = input.filter(|path| *path != Path::new("-")) {
        return Ok((text::text_of(path)?, format!("`{}`", path.display())));
    }
    let text = std::io::read_to_string(std::io::stdin());
    let text = text.map_err(|error| Error::read(Path::new("<stdin>"), &error))?;
    Ok((text, "the standard input".to_owned()))
}

fn table(
    name: &str,
    reader: impl std::io::Read,
    model: &CompiledModel,
    schema: &Schema,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let spec = model.program.data.as_ref();
    let table = csv::Table::from_reader(name, reader, spec.map_or(b',', delimiter))?;
    if !schema.features.is_empty() {
        return csv::encode_inputs(&table, schema, info);
    }
    // Weights that were not trained on named columns: all columns but the targets are inputs.
    let mut options = spec.map(csv_options).unwrap_or_default();
    options.ignore.retain(|column| table.header().contains(column));
    options.ignore.extend(options.target.iter().filter(|column| table.header().contains(column)).cloned());
    let schema = csv::infer_features(&table, &options)?;
    csv::encode_inputs(&table, &schema, info)
}
