//! Folders of images: one folder for each class, named as the class, in it PNG files, and JPEG by feature `jpeg`.
//!
//! Classes are sorted by name, or by number where all names are numbers, and files by name. Every image has the size of
//! the model's input `[C, H, W]` or `[H, W]`, which is grey; nothing is stretched or cut. The input says how many
//! channels there are: color becomes grey for one, and grey becomes color for three.

mod decode;

use std::fs;
use std::path::{Path, PathBuf};

pub use decode::{Image, decode};

use super::{DataSet, Schema, TargetSchema, Targets, in_order};
use crate::error::{Error, closest, count, listed};
use crate::model::{ModelInfo, TargetInfo};

/// How to read a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageOptions {
    /// What a value from 0 to 255 is multiplied by.
    pub scale: f32,
    /// The classes that are used, in the order of their indices; empty is all.
    pub classes: Vec<String>,
}

impl Default for ImageOptions {
    /// All classes, values from 0 to 1.
    fn default() -> Self {
        Self { scale: 1.0 / 255.0, classes: Vec::new() }
    }
}

/// Reads a folder with one folder for each class.
///
/// # Errors
/// E0414 when a folder or file cannot be read, E0415 for a file that is damaged or no image, E0410 for a class without
/// an image and for fewer than two classes, E0409 for one of the `classes` that has no folder, E0416 when size,
/// channels or classes do not fit the model.
pub fn read(folder: &Path, options: &ImageOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let classes = classes(folder, options)?;
    let names: Vec<String> = classes.iter().map(|(name, _)| name.clone()).collect();
    check_classes(&names, folder, info)?;
    of_classes(folder, &classes, options, info)
}

/// Reads another folder with the classes of the one that was trained on: `names`, in that order. A class need not have
/// images there.
///
/// # Errors
/// As [`read`] has them, and E0409 for a folder of another class.
pub fn read_like(
    folder: &Path,
    names: &[String],
    options: &ImageOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let found = folders(folder)?;
    if options.classes.is_empty()
        && let Some(other) = found.iter().find(|name| !names.contains(name))
    {
        let message = format!("class `{other}` was never seen in training");
        let error = Error::new("E0409", message).at(folder.join(other));
        let error = error.note(format!("the classes are {}", listed(names)));
        return Err(match closest(other, names.iter().map(String::as_str)) {
            Some(known) => error.help(format!("did you mean `{known}`?")),
            None => error,
        });
    }
    let mut classes = Vec::with_capacity(names.len());
    for name in names {
        let files = if found.contains(name) { images_of(folder, name)? } else { Vec::new() };
        classes.push((name.clone(), files));
    }
    of_classes(folder, &classes, options, info)
}

/// Reads images without classes, to predict from: a file, or all files of a folder. Their names come with them.
///
/// # Errors
/// As [`read`] has them.
pub fn read_inputs(
    path: &Path,
    options: &ImageOptions,
    info: &ModelInfo,
) -> Result<(DataSet, Vec<String>), Error> {
    let files = if path.is_dir() { files(path)? } else { vec![path.to_path_buf()] };
    if files.is_empty() {
        return Err(Error::new("E0410", format!("`{}` holds no image", path.display())).at(path));
    }
    let mut data = empty(path, files.len(), info)?;
    let first = files.first();
    files
        .iter()
        .try_for_each(|file| push(&mut data, file, first.filter(|first| *first != file), options, info))?;
    data.check_inputs(info)?;
    let names = files.iter().filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    Ok((data, names.collect()))
}

/// Names and files of the classes, those that are wanted.
fn classes(folder: &Path, options: &ImageOptions) -> Result<Vec<(String, Vec<PathBuf>)>, Error> {
    let found = folders(folder)?;
    let names = if options.classes.is_empty() { found.clone() } else { options.classes.clone() };
    if let Some(missing) = names.iter().find(|name| !found.contains(name)) {
        let message = format!("`{}` has no folder of class `{missing}`", folder.display());
        let error = Error::new("E0409", message).at(folder);
        return Err(match closest(missing, found.iter().map(String::as_str)) {
            Some(known) => error.help(format!("did you mean `{known}`?")),
            None => error.note(format!("the folders are {}", listed(&found))),
        });
    }
    if names.len() < 2 {
        let found = count(names.len(), "class");
        let message = format!("`{}` has {found}, there must be two to tell apart", folder.display());
        return Err(Error::new("E0410", message)
            .at(folder)
            .help("the images of each class lie in a folder of their own, which has its name"));
    }
    let mut classes = Vec::with_capacity(names.len());
    for name in names {
        let files = images_of(folder, &name)?;
        if files.is_empty() {
            let message = format!("class `{name}` has no image: its folder is empty");
            return Err(Error::new("E0410", message)
                .at(folder.join(&name))
                .help("put images into it, or take the folder away"));
        }
        classes.push((name, files));
    }
    Ok(classes)
}

/// The names of the folders in a folder, in order. What begins with a point is hidden.
fn folders(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_dir() {
            let message = format!("`{}` lies beside the folders of the classes", path.display());
            return Err(Error::new("E0415", message).at(&path).help("move it into the folder of its class"));
        }
        names.push(name);
    }
    Ok(in_order(names))
}

fn images_of(folder: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    files(&folder.join(name))
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let files = entries(folder)?;
    if let Some(inner) = files.iter().find(|path| path.is_dir()) {
        let message = format!("`{}` is a folder, expected an image", inner.display());
        return Err(Error::new("E0415", message).at(inner).help("images lie in the folder of their class"));
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fault = |error: std::io::Error| Error::read(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether the model has an output for each class, and no other.
fn check_classes(names: &[String], folder: &Path, info: &ModelInfo) -> Result<(), Error> {
    let found = names.len();
    let expected = match info.target() {
        None => return Err(super::no_loss(info)),
        Some(TargetInfo::Positions { positions, .. }) => {
            let message = format!(
                "model `{}` is compared with classes at {}, an image has one class",
                info.name,
                count(positions, "position")
            );
            return Err(Error::new("E0416", message).at(folder));
        }
        Some(_) if info.compared().count() > 1 => {
            let message = format!(
                "{} of model `{}` are compared with targets, an image has one class",
                count(info.compared().count(), "output"),
                info.name
            );
            return Err(Error::new("E0416", message).at(folder));
        }
        // The classes are left aside.
        Some(TargetInfo::Values { len: 0 }) => return Ok(()),
        // 0 and 1.
        Some(TargetInfo::Values { len: 1 }) => 2,
        Some(TargetInfo::Class { classes } | TargetInfo::Values { len: classes }) => classes,
    };
    if found == expected {
        return Ok(());
    }
    let message = match info.target() {
        Some(TargetInfo::Values { len: 1 }) => {
            format!("`{}` has {found} classes; one output tells only two apart", folder.display())
        }
        _ => format!("`{}` has {found} classes, model `{}` has {expected}", folder.display(), info.name),
    };
    Err(Error::new("E0416", message)
        .at(folder)
        .note(format!("the classes are {}", listed(names)))
        .help(format!("give the last layer {}: `dense({found})`", count(found, "output"))))
}

fn of_classes(
    folder: &Path,
    classes: &[(String, Vec<PathBuf>)],
    options: &ImageOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let rows = classes.iter().map(|(_, files)| files.len()).sum();
    let mut data = empty(folder, rows, info)?;
    let mut all = classes.iter().flat_map(|(_, files)| files);
    let first = all.clone().next();
    all.try_for_each(|file| push(&mut data, file, first.filter(|first| *first != file), options, info))?;
    let found = classes.iter().zip(0_u32..).flat_map(|((_, files), class)| files.iter().map(move |_| class));
    let limits = info.limits();
    data.targets = match info.target() {
        Some(TargetInfo::Values { len: 0 }) => Targets::Values(Vec::new(), 0),
        Some(TargetInfo::Values { len: 1 }) => {
            Targets::Values(found.map(|class| limits.end(class as f32)).collect(), 1)
        }
        Some(TargetInfo::Values { len }) => match super::one_hot(found.map(|class| class as usize), len) {
            Targets::Values(values, len) => {
                Targets::Values(values.into_iter().map(|value| limits.end(value)).collect(), len)
            }
            other => other,
        },
        _ => Targets::Classes(found.collect()),
    };
    let names = classes.iter().map(|(name, _)| name.clone()).collect();
    data.schema = Schema {
        targets: vec![TargetSchema { columns: vec!["class".to_owned()], classes: names }],
        ..Schema::default()
    };
    data.check(info)?;
    Ok(data)
}

/// Room for images.
fn empty(path: &Path, rows: usize, info: &ModelInfo) -> Result<DataSet, Error> {
    let features = info.input_len();
    let mut inputs: Vec<f32> = Vec::new();
    if inputs.try_reserve_exact(rows.saturating_mul(features)).is_err() {
        let message = format!("{} of `{}` do not fit in memory", count(rows, "image"), path.display());
        return Err(Error::new("E0414", message).at(path));
    }
    let source = path.display().to_string();
    Ok(DataSet {
        source,
        rows,
        features,
        inputs,
        targets: Targets::Values(Vec::new(), 0),
        ..DataSet::default()
    })
}

/// Adds an image, whose size must be that of the input; `first` is one that was added before.
fn push(
    data: &mut DataSet,
    file: &Path,
    first: Option<&PathBuf>,
    options: &ImageOptions,
    info: &ModelInfo,
) -> Result<(), Error> {
    let image = decode(file)?;
    let (channels, height, width) = match *info.input {
        [channels, height, width] => (channels, height, width),
        [height, width] => (1, height, width),
        _ => {
            let message = format!(
                "model `{}` takes {:?} a sample, which is no image: expected `[channels, height, width]`",
                info.name, info.input
            );
            let shape = [image.channels, image.height, image.width];
            let error = Error::new("E0416", message).at(file);
            return Err(error.help(format!("declare `input {shape:?}`; `flatten` makes a row of it")));
        }
    };
    if (image.height, image.width) != (height, width) {
        let message = format!(
            "expected an image of {height} by {width}, as the input {:?} of model `{}` says, found {} by {}",
            info.input, info.name, image.height, image.width
        );
        let error = Error::new("E0416", message).at(file).note("height by width, in pixels");
        return Err(match first {
            Some(first) => error
                .note(format!("`{}` is {height} by {width}", first.display()))
                .help("bring all images to one size, and declare that as the input"),
            None => error.help(format!("declare `input {:?}`", [channels, image.height, image.width])),
        });
    }
    let from = data.inputs.len();
    if let Err(reason) = image.planes(channels, &mut data.inputs) {
        let message = format!(
            "expected {} as the input {:?} of model `{}` has them, found {}: {reason}",
            count(channels, "channel"),
            info.input,
            info.name,
            image.channels
        );
        let help = if (1..=4).contains(&channels) {
            "lay it on a background, or declare an input with a channel for alpha".to_owned()
        } else {
            format!("declare `input [3, {height}, {width}]` for color, 1 for grey, 4 for color with alpha")
        };
        return Err(Error::new("E0416", message).at(file).help(help));
    }
    data.inputs.iter_mut().skip(from).for_each(|value| *value *= options.scale);
    Ok(())
}
