// A map in a page of its own: the chart and a few controls, without a server.
import {createChart} from './chart.js';
import {decodeGrid} from './grid.js';

/**
 * Show a map in an element and let the controls of the page change how it is drawn.
 * @param {HTMLElement} element
 * @param {ArrayBuffer} grid as `plots/map_grid.py` encodes it
 * @param {string} workerUrl
 */
export async function showMap(element, grid, workerUrl) {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const theme = () => (dark.matches ? 'dark' : 'light');
  const chart = createChart(element, {theme: theme(), workerUrl, labels: {name: element.dataset.name}});
  const controls = /** @type {HTMLFormElement} */ (document.getElementById('controls'));
  const apply = () => {
    const chosen = new FormData(controls);
    chart.setOptions({
      side: /** @type {'both' | 'long' | 'short'} */ (chosen.get('side')),
      unit: /** @type {'usd' | 'coins'} */ (chosen.get('unit')),
      threshold: Number(chosen.get('threshold')),
      showStartUp: chosen.has('start-up'),
      showBands: chosen.has('bands'),
    });
  };
  const open = () => {
    chart.setWindow({from: map.hours[0] - 3600, to: map.hours[map.hours.length - 1]});
    chart.setReach(null);
  };
  const map = decodeGrid(grid);
  chart.setData(map);
  apply();
  controls.addEventListener('input', apply);
  controls.addEventListener('reset', () => setTimeout(() => { apply(); open(); }));
  controls.addEventListener('submit', event => event.preventDefault());
  dark.addEventListener('change', () => chart.setTheme(theme()));
  await chart.drawn();
  document.documentElement.dataset.drawn = 'true';
}
