//! A picture in memory: what is drawn with `embedded-graphics`, whose fonts need no file, becomes a PNG.

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::{Line, Primitive, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};
use std::convert::Infallible;

/// What a letter takes.
pub const LETTER: i32 = 6;

#[derive(Debug)]
pub struct Canvas {
    width: u32,
    height: u32,
    /// Red, green and blue of each pixel, row by row.
    bytes: Vec<u8>,
}

impl Canvas {
    /// All white.
    pub fn new(width: u32, height: u32) -> Canvas {
        let bytes = vec![255; width as usize * height as usize * 3];
        Canvas {
            width,
            height,
            bytes,
        }
    }

    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), color: [u8; 3], width: u32) {
        let style = PrimitiveStyle::with_stroke(rgb(color), width);
        let line = Line::new(from.into(), to.into()).into_styled(style);
        let Ok(()) = line.draw(self);
    }

    pub fn fill(&mut self, corner: (i32, i32), size: (u32, u32), color: [u8; 3]) {
        let style = PrimitiveStyle::with_fill(rgb(color));
        let area = Rectangle::new(corner.into(), size.into()).into_styled(style);
        let Ok(()) = area.draw(self);
    }

    /// Text whose middle is at this height; what the font lacks is shown as `?`.
    pub fn text(&mut self, at: (i32, i32), text: &str, color: [u8; 3], to_the_left: bool) {
        let style = MonoTextStyle::new(&FONT_6X10, rgb(color));
        let alignment = match to_the_left {
            true => Alignment::Right,
            false => Alignment::Left,
        };
        let place = TextStyleBuilder::new()
            .alignment(alignment)
            .baseline(Baseline::Middle)
            .build();
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let text = Text::with_text_style(&text, at.into(), style, place);
        let drawn: Result<Point, Infallible> = text.draw(self);
        let Ok(_) = drawn;
    }

    /// # Errors
    /// When it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.bytes)?;
        writer.finish()?;
        Ok(bytes)
    }
}

fn rgb([red, green, blue]: [u8; 3]) -> Rgb888 {
    Rgb888::new(red, green, blue)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if x < self.width && y < self.height {
                let place = (y as usize * self.width as usize + x as usize) * 3;
                self.bytes[place..place + 3].copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
