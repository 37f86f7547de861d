// Colours of both themes. Longs are cold and shorts warm: distinct without red or green.

/**
 * @typedef {object} Theme
 * @property {string} page
 * @property {string} ink
 * @property {string} muted
 * @property {string} line
 * @property {string} veil start-up mass
 * @property {string} strip warm-up
 * @property {{up: string, down: string, edge: string}} candle
 * @property {{long: string[], short: string[]}} ramp least to most
 * @property {{long: string, short: string}} side lines and bars
 */
/** @typedef {{long: Uint32Array, short: Uint32Array}} Palette colours of cells as RGBA bytes */

/** @type {{dark: Theme, light: Theme}} */
export const THEMES = {
  dark: {
    page: "#11131a",
    ink: "#c9ced9",
    muted: "#8d94a6",
    line: "#262a36",
    veil: "#5b606d",
    strip: "#b9a36a",
    candle: { up: "#f4f6fb", down: "#8d94a6", edge: "#f4f6fb" },
    ramp: {
      long: ["#11131a", "#12304a", "#17608a", "#2a9bc4", "#7fd3ea", "#e4fbff"],
      short: ["#11131a", "#45230f", "#8a4410", "#cf7a12", "#f5bb4b", "#fff3cf"],
    },
    side: { long: "#2a9bc4", short: "#cf7a12" },
  },
  light: {
    page: "#ffffff",
    ink: "#232734",
    muted: "#626a7c",
    line: "#e3e6ec",
    veil: "#a6abb8",
    strip: "#8a7434",
    candle: { up: "#ffffff", down: "#3d4250", edge: "#3d4250" },
    ramp: {
      long: ["#ffffff", "#d5e9f4", "#8cc6e3", "#3390c2", "#115a8a", "#052540"],
      short: ["#ffffff", "#fbe6c8", "#f4bd6d", "#d68220", "#92470c", "#3f1a06"],
    },
    side: { long: "#1f7fb3", short: "#bf6f12" },
  },
};

// The worker expects as many.
const LEVELS = 256;
const VEILS = 9;
const MOST_VEIL = 0.92;
// Below this level a cell stays near the page's colour, start-up or not.
const VEILED_FROM = 96;

/** @param {string} hex */
const channelsOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** @param {number[]} from @param {number[]} to @param {number} share */
const blend = (from, to, share) => from.map((value, at) => value + (to[at] - value) * share);

/**
 * Colours of one side: the ramp's levels, nine times, each greyer by start-up mass.
 * @param {string[]} ramp
 * @param {string} grey
 */
function paletteOfSide(ramp, grey) {
  const stops = ramp.map(channelsOf);
  const veil = channelsOf(grey);
  const bytes = new Uint8Array(VEILS * LEVELS * 4).fill(255);
  for (let step = 0; step < VEILS; step++) {
    for (let level = 0; level < LEVELS; level++) {
      const place = (level / (LEVELS - 1)) * (stops.length - 1);
      const below = Math.min(Math.floor(place), stops.length - 2);
      const own = blend(stops[below], stops[below + 1], place - below);
      const share = ((MOST_VEIL * step) / (VEILS - 1)) * Math.min(1, level / VEILED_FROM);
      bytes.set(blend(own, veil, share), (step * LEVELS + level) * 4);
    }
  }
  return new Uint32Array(bytes.buffer);
}

/** @param {Theme} theme @returns {Palette} */
export const paletteOf = ({ ramp, veil }) => ({
  long: paletteOfSide(ramp.long, veil),
  short: paletteOfSide(ramp.short, veil),
});
