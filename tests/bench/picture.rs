//! Growth as a picture (SVG): what stays flat should look flat, so every scale begins at nought.

/// What was measured, over the number of hosts, which is on a logarithmic axis.
pub(super) struct Panel<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) colour: &'a str,
    pub(super) points: Vec<(usize, f64)>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 280.0;

/// The panels side by side, on a card of their own: it reads on light and dark pages alike.
pub(super) fn picture(panels: &[Panel<'_>], caption: &str) -> String {
    let each = WIDTH / panels.len() as f64;
    let drawn: String =
        panels.iter().zip(0..).map(|(panel, at)| draw(panel, f64::from(at) * each, each)).collect();
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' \
         font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif' font-size='12'>\n\
         <rect x='.5' y='.5' width='{}' height='{}' rx='8' fill='#ffffff' stroke='#d0d7de'/>\n{drawn}\
         <text x='22' y='{}' fill='#59636e'>{caption}</text>\n</svg>\n",
        WIDTH - 1.0,
        HEIGHT - 1.0,
        HEIGHT - 16.0
    )
}

fn draw(Panel { title, unit, colour, points }: &Panel<'_>, offset: f64, width: f64) -> String {
    let (left, right, top, bottom) = (offset + 44.0, offset + width - 30.0, 58.0, HEIGHT - 66.0);
    let decade = |hosts: usize| (hosts as f64).log10();
    let first = points.iter().map(|point| decade(point.0)).fold(f64::MAX, f64::min);
    let last = points.iter().map(|point| decade(point.0)).fold(first + 0.1, f64::max);
    // Room for the figures above the highest point.
    let full = round_up(1.2 * points.iter().map(|point| point.1).fold(0.0, f64::max));
    let x = |hosts: usize| left + 24.0 + (decade(hosts) - first) / (last - first) * (right - left - 48.0);
    let y = |value: f64| bottom - value / full * (bottom - top);
    let mut svg = format!(
        "<text x='{}' y='32' font-size='14' font-weight='600' fill='#1f2328'>{title}, {unit}</text>\n",
        offset + 22.0
    );
    for quarter in 0..=4 {
        let value = full * f64::from(quarter) / 4.0;
        svg += &format!(
            "<line x1='{left}' x2='{right}' y1='{0:.1}' y2='{0:.1}' stroke='#d8dee4'/>\
             <text x='{1:.1}' y='{2:.1}' text-anchor='end' fill='#59636e'>{value}</text>\n",
            y(value),
            left - 6.0,
            y(value) + 4.0
        );
    }
    let line: String =
        points.iter().map(|(hosts, value)| format!("{:.1},{:.1} ", x(*hosts), y(*value))).collect();
    svg +=
        &format!("<polyline fill='none' stroke='{colour}' stroke-width='2.5' points='{}'/>\n", line.trim());
    for (hosts, value) in points {
        let figure = if *value < 20.0 { format!("{value:.1}") } else { format!("{value:.0}") };
        svg += &format!(
            "<circle cx='{0:.1}' cy='{1:.1}' r='4' fill='{colour}'/>\
             <text x='{0:.1}' y='{2:.1}' text-anchor='middle' font-weight='600' fill='{colour}' \
             stroke='#ffffff' stroke-width='4' paint-order='stroke'>{figure}</text>\
             <text x='{0:.1}' y='{3:.1}' text-anchor='middle' fill='#59636e'>{hosts}</text>\n",
            x(*hosts),
            y(*value),
            y(*value) - 10.0,
            bottom + 20.0
        );
    }
    svg
}

/// The next of 1, 2, 4, 6 and 8 times a power of ten: a quarter of it is a short figure.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let step = [1.0, 2.0, 4.0, 6.0, 8.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}
