//! Latency against load as an SVG.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::report;
use super::write::Point;

const SIZE: (u32, u32) = (900, 520);

/// Draws p50 and p99 of both sides into `bench/write.svg` in the build's folder, and answers where it is.
pub fn latency_against_load(points: &[Point]) -> Result<PathBuf> {
    let path = report::folder()?.join("write.svg");
    draw(points, &path).map_err(|error| anyhow!("the picture cannot be drawn: {error}"))?;
    Ok(path)
}

/// What of a point a line shows.
type Figure = fn(&Point) -> f64;

fn draw(points: &[Point], path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let of = |y: Figure| points.iter().map(move |point| (point.commands_per_second, y(point)));
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let right = most(&mut points.iter().map(|point| point.commands_per_second));
    let top = most(&mut points.iter().map(|point| point.groot_p99_ms.max(point.floor_p99_ms)));
    let mut chart = ChartBuilder::on(&area)
        .caption("Latency against load", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        // On a linear scale saturation would hide everything before it.
        .build_cartesian_2d(0.0..right * 1.02, (0.1..(top * 1.5).max(1.0)).log_scale())?;
    chart.configure_mesh().x_desc("commands per second").y_desc("milliseconds").draw()?;
    let lines: [(&str, Figure, RGBColor); 4] = [
        ("Groot p50", |point| point.groot_p50_ms, RGBColor(20, 90, 160)),
        ("Groot p99", |point| point.groot_p99_ms, RGBColor(110, 170, 225)),
        ("bare handler p50", |point| point.floor_p50_ms, RGBColor(110, 110, 110)),
        ("bare handler p99", |point| point.floor_p99_ms, RGBColor(185, 185, 185)),
    ];
    for (name, y, colour) in lines {
        chart
            .draw_series(LineSeries::new(of(y), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8)).draw()?;
    area.present()?;
    Ok(())
}
