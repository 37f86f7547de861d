// Colours of both themes, and figures in words.

/**
 * @typedef {object} Theme
 * @property {string} page @property {string} ink @property {string} muted @property {string} line
 * @property {string} veil start-up mass
 * @property {string} strip warm-up
 * @property {{up: string, down: string, edge: string}} candle
 * @property {{long: string[], short: string[]}} ramp least to most
 * @property {{long: string, short: string}} side lines and bars
 */

/** @type {{dark: Theme, light: Theme}} Longs are cold and shorts warm: distinct without red or green. */
export const THEMES = {
  dark: {
    page: '#11131a', ink: '#c9ced9', muted: '#8d94a6', line: '#262a36', veil: '#5b606d', strip: '#b9a36a',
    candle: { up: '#f4f6fb', down: '#8d94a6', edge: '#f4f6fb' },
    ramp: {
      long: ['#11131a', '#12304a', '#17608a', '#2a9bc4', '#7fd3ea', '#e4fbff'],
      short: ['#11131a', '#45230f', '#8a4410', '#cf7a12', '#f5bb4b', '#fff3cf'],
    },
    side: { long: '#2a9bc4', short: '#cf7a12' },
  },
  light: {
    page: '#ffffff', ink: '#232734', muted: '#626a7c', line: '#e3e6ec', veil: '#a6abb8', strip: '#8a7434',
    candle: { up: '#ffffff', down: '#3d4250', edge: '#3d4250' },
    ramp: {
      long: ['#ffffff', '#d5e9f4', '#8cc6e3', '#3390c2', '#115a8a', '#052540'],
      short: ['#ffffff', '#fbe6c8', '#f4bd6d', '#d68220', '#92470c', '#3f1a06'],
    },
    side: { long: '#1f7fb3', short: '#bf6f12' },
  },
};

const VEILS = 9, MOST_VEIL = 0.92;

/** @param {string} hex */
const channels = hex => [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));

/**
 * Colours of one side as RGBA bytes: 256 of the ramp, nine times, each greyer by start-up mass.
 * @param {string[]} ramp @param {string} grey
 */
function paletteOf(ramp, grey) {
  const stops = ramp.map(channels), veil = channels(grey), bytes = new Uint8Array(VEILS * 256 * 4);
  for (let step = 0; step < VEILS; step++)
    for (let level = 0; level < 256; level++) {
      const place = level / 255 * (stops.length - 1), below = Math.min(Math.floor(place), stops.length - 2);
      // Little mass stays near the page's colour, start-up or not.
      const part = MOST_VEIL * step / (VEILS - 1) * Math.min(1, level / 96);
      for (let channel = 0; channel < 3; channel++) {
        const [from, to] = [stops[below][channel], stops[below + 1][channel]];
        const own = from + (to - from) * (place - below);
        bytes[(step * 256 + level) * 4 + channel] = own + (veil[channel] - own) * part;
      }
      bytes[(step * 256 + level) * 4 + 3] = 255;
    }
  return new Uint32Array(bytes.buffer);
}

/** @param {Theme} theme */
export const paletteOfTheme = theme => ({
  long: paletteOf(theme.ramp.long, theme.veil), short: paletteOf(theme.ramp.short, theme.veil),
});

/** Figure with three digits and its size as a letter. @param {number} value */
export function inWords(value) {
  if (value === 0) return '0';
  for (const [size, letter] of /** @type {[number, string][]} */ ([[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']]))
    if (value >= 0.9995 * size) return +(value / size).toPrecision(3) + letter;
  return value < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3));
}

/** Decimals that show about five digits of a price. @param {number} price */
export const decimalsOf = price => Math.min(12, Math.max(0, 4 - Math.floor(Math.log10(price || 1))));

/** @type {Record<number, Intl.NumberFormat>} by decimals: the axis has many labels in every frame */
const formats = {};

/** @param {number} price @param {number} [scale] price that sets the decimals */
export const priceText = (price, scale = price) => {
  const digits = decimalsOf(scale);
  formats[digits] ??= new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return formats[digits].format(price);
};

/** @param {number} share */
export const percent = share => `${+(100 * share).toPrecision(share < 0.1 ? 2 : 3)} %`;

/** @param {number} seconds Unix seconds */
export const hourText = seconds => {
  const [day, clock] = new Date(seconds * 1000).toISOString().split('T');
  return `${day} ${clock.slice(0, 5)} UTC`;
};

/** What an amount is counted in. @param {import('./grid.js').Meta} meta @param {string} unit */
export const unitText = (meta, unit) =>
  meta.unit !== 'usd' ? (meta.provider === 'consensus' ? 'share of the side' : 'relative units') : unit === 'coins' ? meta.asset : 'USD';

/** The consensus counts shares. @param {number} value @param {import('./grid.js').Meta} meta */
export const figureText = (value, meta) => meta.provider === 'consensus' ? percent(value) : inWords(value);

/** @param {number} value @param {import('./grid.js').Meta} meta @param {string} unit */
export const amountText = (value, meta, unit) => `${figureText(value, meta)} ${meta.provider === 'consensus' ? 'of the side' : unitText(meta, unit)}`;
