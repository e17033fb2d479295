//! One picture: PNG, or JPEG by feature `jpeg`, to numbers, and the channels that a model wants.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use png::{ColorType, Transformations};

use crate::error::Error;

/// More values than this in one picture are refused before there is room for them.
const LARGEST: usize = 1 << 28;

/// A picture in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// 1 for grey, 2 for grey with alpha, 3 for red, green and blue, 4 for those with alpha.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height][width][channels]`, each from 0 to 255; 16 bits a channel are brought to that range.
    pub values: Vec<f32>,
}

/// Reads a PNG or JPEG file, told apart by its first bytes.
///
/// # Errors
/// E0414 when it cannot be read, E0415 when it is damaged or no picture, E0501 for JPEG without the feature `jpeg`.
pub fn decode(path: &Path) -> Result<Image, Error> {
    let file = File::open(path).map_err(|error| Error::read(path, &error))?;
    let mut bytes = Vec::new();
    BufReader::new(file).read_to_end(&mut bytes).map_err(|error| Error::read(path, &error))?;
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        of_png(path, &bytes)
    } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        of_jpeg(path, &bytes)
    } else {
        let message = format!("`{}` is not an image: expected PNG or JPEG", path.display());
        Err(Error::new("E0415", message).at(path).help("convert it, or take it out of the folder"))
    }
}

fn of_png(path: &Path, bytes: &[u8]) -> Result<Image, Error> {
    let broken = |error: png::DecodingError| damaged(path, &error.to_string());
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes become colors, and bits of 1, 2 and 4 a byte.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(broken)?;
    let len = reader.output_buffer_size().filter(|&len| len <= LARGEST).ok_or_else(|| too_large(path))?;
    let mut pixels = vec![0; len];
    let info = reader.next_frame(&mut pixels).map_err(broken)?;
    let pixels = pixels.get(..info.buffer_size()).unwrap_or_default();
    let channels = match info.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err(damaged(path, "its palette is not whole")),
    };
    let values = match info.bit_depth {
        png::BitDepth::Sixteen => pixels
            .chunks_exact(2)
            .map(|pair| match *pair {
                // 65535 is 255.
                [high, low] => f32::from(u16::from_be_bytes([high, low])) / 257.0,
                _ => 0.0,
            })
            .collect(),
        _ => pixels.iter().copied().map(f32::from).collect(),
    };
    Ok(Image { channels, height: info.height as usize, width: info.width as usize, values })
}

#[cfg(feature = "jpeg")]
fn of_jpeg(path: &Path, bytes: &[u8]) -> Result<Image, Error> {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::errors::DecodeErrors;
    use zune_jpeg::zune_core::colorspace::ColorSpace;
    use zune_jpeg::zune_core::options::DecoderOptions;

    let broken = |error: DecodeErrors| damaged(path, &error.to_string());
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let is_grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let (wanted, channels) = if is_grey { (ColorSpace::Luma, 1) } else { (ColorSpace::RGB, 3) };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged(path, "it has no size"))?;
    let len = width.saturating_mul(height).saturating_mul(channels);
    if len > LARGEST {
        return Err(too_large(path));
    }
    let pixels = decoder.decode().map_err(broken)?;
    if pixels.len() != len {
        return Err(damaged(path, "it ends early"));
    }
    Ok(Image { channels, height, width, values: pixels.into_iter().map(f32::from).collect() })
}

#[cfg(not(feature = "jpeg"))]
fn of_jpeg(path: &Path, _: &[u8]) -> Result<Image, Error> {
    let message =
        format!("`{}` is a JPEG, and this program was built without the feature `jpeg`", path.display());
    Err(Error::new("E0501", message)
        .at(path)
        .help("build it with `--features jpeg`, or convert the images to PNG"))
}

impl Image {
    /// The values as `[channels][height][width]`, with the channels that are wanted: grey out of color by the weights
    /// of ITU-R BT.601 (0.299, 0.587, 0.114), color out of grey as three times the same, and no alpha where all of it
    /// is opaque. `Err` says what stands in the way.
    pub(super) fn planes(&self, channels: usize, out: &mut Vec<f32>) -> Result<(), &'static str> {
        let has_alpha = matches!(self.channels, 2 | 4);
        let wants_alpha = matches!(channels, 2 | 4);
        if !matches!(channels, 1..=4) {
            return Err("an image has 1 to 4 channels");
        }
        if has_alpha && !wants_alpha && self.pixels().any(|pixel| pixel.last() != Some(&255.0)) {
            return Err("it is transparent in places");
        }
        for channel in 0..channels {
            out.extend(self.pixels().map(|pixel| {
                let (color, alpha) = match (pixel, has_alpha) {
                    ([color @ .., alpha], true) => (color, *alpha),
                    (color, _) => (color, 255.0),
                };
                if wants_alpha && channel + 1 == channels {
                    return alpha;
                }
                match (color, channels) {
                    (&[red, green, blue], 1 | 2) => 0.299 * red + 0.587 * green + 0.114 * blue,
                    (&[grey], _) => grey,
                    (color, _) => color.get(channel).copied().unwrap_or_default(),
                }
            }));
        }
        Ok(())
    }

    fn pixels(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.channels.max(1))
    }
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::new("E0415", format!("`{}` is damaged: {reason}", path.display())).at(path)
}

fn too_large(path: &Path) -> Error {
    Error::new("E0415", format!("`{}` is larger than an image of a data set can be", path.display())).at(path)
}

#[cfg(test)]
mod tests {
    use super::Image;

    fn planes(channels: usize, values: &[f32], wanted: usize) -> Result<Vec<f32>, &'static str> {
        let image = Image { channels, height: 1, width: values.len() / channels, values: values.to_vec() };
        let mut out = Vec::new();
        image.planes(wanted, &mut out).map(|()| out)
    }

    #[test]
    fn channels_lie_one_after_the_other() {
        assert_eq!(planes(3, &[1., 2., 3., 4., 5., 6.], 3).unwrap(), [1., 4., 2., 5., 3., 6.]);
        assert_eq!(planes(1, &[7., 8.], 3).unwrap(), [7., 8., 7., 8., 7., 8.]);
        assert_eq!(planes(4, &[1., 2., 3., 9.], 4).unwrap(), [1., 2., 3., 9.]);
        assert_eq!(planes(3, &[1., 2., 3.], 4).unwrap(), [1., 2., 3., 255.]);
    }

    #[test]
    fn grey_is_a_weighted_mean() {
        let grey = planes(3, &[100., 0., 0., 0., 100., 0., 0., 0., 100.], 1).unwrap();
        assert!(grey.iter().zip([29.9, 58.7, 11.4]).all(|(found, wanted)| (found - wanted).abs() < 1e-4));
        assert_eq!(planes(2, &[5., 255.], 1).unwrap(), [5.]);
    }

    #[test]
    fn what_is_transparent_has_no_color() {
        assert!(planes(4, &[1., 2., 3., 254.], 3).is_err());
        assert!(planes(2, &[1., 0.], 1).is_err());
        assert!(planes(1, &[1.], 5).is_err());
    }
}
