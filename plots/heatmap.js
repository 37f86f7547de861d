// Fits the colours, the ticks and the profile to what is in view, after each zoom.
const plot = document.getElementById('{plot_id}');
const {knee, quantiles, ticks} = plot.layout.meta;
const traces = kind => plot._fullData.filter(trace => trace.meta === kind);
const maps = traces('map'), profiles = traces('profile'), intervals = traces('interval');
const usd = maps.map(map => map.z.map(row => Float32Array.from(row, z => knee * Math.sinh(z))));
const [veil] = traces('start-up');
// Start-up mass sets no colour: what is left of a bin beside it does.
const settled = veil
  ? usd.map(grid => grid.map((row, bin) => row.map((held, hour) => held * (1 - (veil.z[bin][hour] || 0)))))
  : usd;
const hours = Array.from(maps[0].x, hour => +new Date(hour));
const prices = Array.from(maps[0].y);

const isBetween = range => value => value >= Math.min(...range) && value <= Math.max(...range);
const placesOf = (values, range) => {
  const isIn = isBetween(range);
  return values.flatMap((value, place) => isIn(value) ? [place] : []);
};
const roundStep = step => {
  const size = 10 ** Math.floor(Math.log10(step));
  return [1, 2, 2.5, 5, 10].map(factor => size * factor).find(round => round >= step);
};
const roundTicks = (low, high, step) => {
  const first = Math.ceil(low / step), count = Math.max(Math.floor(high / step) - first + 1, 0);
  return Array.from({length: count}, (_, place) => (first + place) * step);
};
const inWords = value => {
  for (const [size, letter] of [[1e9, 'B'], [1e6, 'M'], [1e3, 'k']])
    if (value >= size) return +(value / size).toPrecision(3) + letter;
  return String(+value.toPrecision(3));
};
const labels = values => values.map(value => (+value.toPrecision(6)).toLocaleString('en-US', {maximumSignificantDigits: 6}));

function restyled(rows, columns) {
  const held = [];
  for (const grid of settled)
    for (const row of rows)
      for (const column of columns) if (grid[row][column] > 0) held.push(grid[row][column]);
  if (!held.length) return {};
  held.sort((a, b) => a - b);
  const [bend, brightest] = quantiles.map(share => held[Math.round(share * (held.length - 1))]);
  const top = Math.asinh(brightest / bend), places = ticks.map(tick => tick * top);
  return {
    z: usd.map(grid => grid.map(row => Float32Array.from(row, value => Math.asinh(value / bend)))),
    zmax: top,
    'colorbar.tickvals': [places],
    'colorbar.ticktext': [places.map(place => inWords(Math.sinh(place) * bend))],
  };
}

let isFitting = false;
async function fit() {
  if (isFitting) return;
  isFitting = true;
  const {xaxis, yaxis} = plot._fullLayout;
  const [low, high] = yaxis.range.map(power => 10 ** power);
  const rows = placesOf(prices, [low, high]);
  const columns = placesOf(hours, xaxis.range.map(end => +new Date(end)));
  const priceTicks = roundTicks(low, high, roundStep((high - low) / 10));
  const longest = Math.max(
    0,
    ...profiles.flatMap(bars => rows.map(row => bars.x[row])),
    ...intervals.flatMap(bars => rows.map(row => bars.base[row] + bars.x[row])),
  );
  const lengths = longest > 0 ? roundTicks(0, 0.85 * longest, roundStep(0.3 * longest)).slice(1) : [];
  await Plotly.update(plot, restyled(rows, columns), {
    'yaxis.tickvals': priceTicks,
    'yaxis.ticktext': labels(priceTicks),
    'xaxis2.range': [0, 1.05 * longest || 1],
    'xaxis2.tickvals': lengths,
    'xaxis2.ticktext': labels(lengths),
  }, maps.map(map => map.index));
  isFitting = false;
}
plot.on('plotly_relayout', fit);
