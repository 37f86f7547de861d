// The chart: candles and the time axis are the library's, the map under them and the profile are ours.

import { CandlestickSeries, HistogramSeries, LineSeries, createChart } from './lightweight-charts.js';
import { centreOf } from './grid.js';
import { drawBands, drawFlags, drawKey, notesOf } from './overlays.js';
import { drawProfile, profileOf, seenRows, startUpShare } from './profile.js';
import { Raster } from './raster.js';
import { THEMES, decimalsOf, hourText, inWords, paletteOfTheme, priceText } from './scale.js';
import { Tooltip, partsOf } from './tooltip.js';
import { cellOf, rangesOf, viewOf } from './view.js';

/** @typedef {import('./grid.js').MapData} MapData */
/**
 * @typedef {object} Options
 * @property {'both' | 'long' | 'short'} side
 * @property {'usd' | 'coins'} unit coins are USD at the price of the bin, where it would be liquidated
 * @property {number} threshold 0-1, share of the colour scale below which nothing is drawn
 * @property {{knee: number, top: number} | null} scale fixed colours; null follows what is in view
 * @property {boolean} showBands
 * @property {boolean} showRealised
 * @property {boolean} showStartUp start-up mass veiled in grey; false leaves it out
 */
/** @typedef {{from: number, to: number, low: number, high: number}} Seen hours after from up to to, Unix seconds; prices */
/**
 * @typedef {object} Settings
 * @property {'dark' | 'light'} [theme]
 * @property {{name?: string, title?: string, notes?: string[]}} [labels] name for screen readers; title and notes of the PNG
 * @property {(parts: string[]) => void} [onHover] what is under the cursor, empty where it has left
 * @property {(view: Seen & {byUser: boolean}) => void} [onViewChange]
 * @property {string | URL} [workerUrl] of raster.worker.js, where it has another address
 */

const HOUR = 3600, REALISED_PX = 72, AXIS_TEXT_PX = 11;
/** @type {Options} */
const DEFAULTS = { side: 'both', unit: 'usd', threshold: 0, scale: null, showBands: true, showRealised: true, showStartUp: true };

/** @param {string | number | Date} instant @returns {number} Unix seconds */
const secondsOf = instant => typeof instant === 'number' ? instant : new Date(instant).getTime() / 1000;

/**
 * @param {HTMLElement} element filled by the chart; its size is the chart's
 * @param {Settings} [settings]
 */
function createHeatmap(element, { theme: themeName = 'dark', labels = {}, onHover, onViewChange, workerUrl } = {}) {
  let theme = THEMES[themeName], palette = paletteOfTheme(theme), options = { ...DEFAULTS };
  /** @type {MapData | null} */
  let map = null;
  /** @type {{from: number, to: number} | null} */
  let wantedWindow = null;
  /** @type {number | {low: number, high: number} | null} */
  let wantedReach = null;
  /** @type {{low: number, high: number}} */
  let range = { low: 1, high: 2 };
  let isByUser = false, hasRealised = false, seenKey = '';
  /** @type {{hour: number, bin: number} | null} */
  let cursor = null;
  /** @type {(() => void)[]} */
  let waiting = [];
  /** @type {string[]} */
  let notes = [];

  const frame = document.createElement('div'), pane = document.createElement('div');
  const profile = document.createElement('canvas'), foot = document.createElement('div');
  const note = document.createElement('p'), link = document.createElement('a');
  frame.append(pane, profile);
  foot.append(note, link);
  element.replaceChildren(frame, foot);
  Object.assign(element.style, { display: 'flex', flexDirection: 'column', minWidth: '0' });
  Object.assign(frame.style, { position: 'relative', display: 'flex', flex: '1 1 0', minHeight: '0' });
  Object.assign(pane.style, { position: 'relative', flex: '1 1 0', minWidth: '0', height: '100%' });
  Object.assign(foot.style, { display: 'flex', gap: '16px', padding: '4px 10px', font: '12px/1.4 system-ui, sans-serif' });
  Object.assign(note.style, { margin: '0', flex: '1 1 0' });
  Object.assign(link, { href: 'https://www.tradingview.com/', target: '_blank', rel: 'noopener noreferrer', textContent: 'Charts by TradingView' });
  pane.tabIndex = 0;
  pane.setAttribute('role', 'application');
  pane.setAttribute('aria-label', labels.name ?? 'liquidation heatmap; arrow keys move the cursor, plus and minus zoom');
  profile.setAttribute('aria-hidden', 'true');

  const chart = createChart(pane, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: AXIS_TEXT_PX, fontFamily: 'system-ui, sans-serif', panes: { enableResize: false } },
    grid: { vertLines: { visible: false }, horzLines: { visible: false } },
    crosshair: { mode: 0 },
    rightPriceScale: { mode: 1, borderVisible: false, scaleMargins: { top: 0, bottom: 0 }, minimumWidth: 56 },
    timeScale: { timeVisible: true, secondsVisible: false, borderVisible: false, minBarSpacing: 0.02, rightOffset: 0, shiftVisibleRangeOnNewBar: false },
    handleScroll: { vertTouchDrag: false },
    localization: { timeFormatter: hourText },
  });
  const autoscaleInfoProvider = () => ({ priceRange: { minValue: range.low, maxValue: range.high } });
  const quiet = { lastValueVisible: false, priceLineVisible: false };
  // Gives every hour a place, with or without a candle, and prices their scale.
  const anchor = chart.addSeries(LineSeries, { ...quiet, lineVisible: false, crosshairMarkerVisible: false, autoscaleInfoProvider });
  const candles = chart.addSeries(CandlestickSeries, { autoscaleInfoProvider, priceLineStyle: 1 });
  /** @type {import('./lightweight-charts.js').SeriesApi[]} */
  let realised = [];
  const tooltip = new Tooltip(pane);
  let requestUpdate = () => {};
  const raster = new Raster(workerUrl, () => requestUpdate());

  const view = () => map && viewOf(chart, anchor, map, window.devicePixelRatio || 1);
  const look = () => ({
    side: options.side, isCoins: options.unit === 'coins' && map?.meta.unit === 'usd', isStartUpShown: options.showStartUp,
    threshold: options.threshold, palette, scale: options.scale,
  });

  /** Draw what lies under the candles, or over them. @param {'bottom' | 'top'} order */
  const paneView = order => ({
    zOrder: () => order,
    renderer: () => ({
      /** @param {import('./lightweight-charts.js').DrawTarget} target */
      draw: target => target.useBitmapCoordinateSpace(({ context }) => {
        const own = view();
        if (!own || !map) return;
        if (order === 'bottom') {
          raster.request(own, look());
          raster.draw(context, own);
          drawFlags(context, own, map, theme);
          return afterDraw(own);
        }
        if (options.showBands) drawBands(context, own, shownBands(map), theme);
        if (raster.picture) drawKey(context, own, map, theme, raster.picture.scale, options);
      }),
    }),
  });
  const views = [paneView('bottom'), paneView('top')];
  anchor.attachPrimitive({ attached: parameters => { requestUpdate = parameters.requestUpdate; }, paneViews: () => views });

  /** @param {MapData} own */
  const shownBands = own => options.side === 'both' ? own
    : { ...own, meta: { ...own.meta, bands: own.meta.bands.filter(band => band.side === options.side) } };

  /** @param {import('./view.js').View} own */
  function afterDraw(own) {
    if (!map) return;
    // The library fits prices only while it may choose them; afterwards drags move them.
    if (anchor.priceScale().options().autoScale) queueMicrotask(() => anchor.priceScale().applyOptions({ autoScale: false }));
    const key = raster.keyOf(own, look());
    if (key !== seenKey) {
      seenKey = key;
      const seenProfile = profileOf(own, map, options);
      drawProfile(profile, own, map, theme, options, seenProfile);
      notes = notesOf(own, map, options, { long: startUpShare(seenProfile.rows, 'long'), short: startUpShare(seenProfile.rows, 'short') });
      const text = notes.join('; ');
      if (note.textContent !== text) note.textContent = text;
      onViewChange?.({ ...seenOf(own), byUser: isByUser });
    }
    if (waiting.length && raster.isCurrent(own, look())) {
      const resolved = waiting;
      waiting = [];
      requestAnimationFrame(() => resolved.forEach(resolve => resolve()));
    }
  }

  /** @param {import('./view.js').View} own @returns {Seen} */
  function seenOf(own) {
    const { hours: [from, until] } = rangesOf(own, /** @type {MapData} */ (map));
    const first = /** @type {MapData} */ (map).hours[0];
    return { from: first + (from - 1) * HOUR, to: first + (until - 1) * HOUR, low: own.low, high: own.high };
  }

  function layOut() {
    const { width, height } = frame.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    const wide = width < 480 ? 54 : Math.min(220, Math.round(width * 0.16));
    Object.assign(profile.style, { width: `${wide}px`, height: `${height}px`, flex: 'none' });
    Object.assign(profile, { width: Math.round(wide * ratio), height: Math.round(height * ratio) });
    seenKey = '';
    if (!isByUser) applyWindow();
    requestUpdate();
  }

  function paintTheme() {
    palette = paletteOfTheme(theme);
    element.style.background = theme.page;
    note.style.color = link.style.color = theme.muted;
    const { up, down, edge } = theme.candle, line = { color: theme.muted, labelBackgroundColor: theme.muted };
    chart.applyOptions({
      layout: { background: { type: 'solid', color: theme.page }, textColor: theme.ink, panes: { separatorColor: theme.line, separatorHoverColor: theme.line } },
      crosshair: { vertLine: line, horzLine: line },
    });
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: edge, wickDownColor: down, borderUpColor: edge, borderDownColor: down, priceLineColor: theme.ink });
  }

  /** Fill the library's series; whitespace keeps hours without a candle in place. */
  function fillSeries() {
    if (!map) return;
    const { hours, candles: { open, high, low, close }, price, meta } = map;
    const level = meta.price ?? 1, digits = decimalsOf(level);
    const priceFormat = { type: 'custom', minMove: 10 ** -digits, formatter: (/** @type {number} */ one) => priceText(one, level) };
    for (const series of [anchor, candles]) series.applyOptions({ priceFormat });
    anchor.setData(Array.from(hours, (time, at) => ({ time, value: price[at] || close[at] || level })));
    candles.setData(Array.from(hours, (time, at) => Number.isNaN(close[at]) ? { time }
      : { time, open: open[at], high: high[at], low: low[at], close: close[at] }));
    fillRealised();
  }

  /** Liquidations that venues published, in a strip below: shorts up, longs down; pale is "at least". */
  function fillRealised() {
    if (!map) return;
    const { hours, realised: figures, isLowerBound } = map;
    hasRealised = options.showRealised && Object.values(figures).some(values => values.some(value => value > 0));
    if (!hasRealised && realised.length) {
      realised.forEach(series => chart.removeSeries(series));
      realised = [];
    }
    if (!hasRealised) return;
    const priceFormat = { type: 'custom', minMove: 1, formatter: (/** @type {number} */ one) => inWords(Math.abs(one)) };
    if (!realised.length) {
      realised = [0, 1].map(() => chart.addSeries(HistogramSeries, { ...quiet, priceFormat }, 1));
      realised[0].priceScale().applyOptions({ mode: 0, scaleMargins: { top: 0.06, bottom: 0.06 } });
      chart.panes()[1].setHeight(REALISED_PX);
    }
    for (const [at, side] of /** @type {const} */ (['long', 'short']).entries())
      realised[at].setData(Array.from(hours, (time, hour) => {
        const value = figures[side][hour];
        return Number.isNaN(value) ? { time } : { time, value: at === 0 ? -value : value, color: theme.side[side] + (isLowerBound[hour] ? '80' : 'ff') };
      }));
  }

  function applyWindow() {
    if (!map?.hours.length) return;
    const first = map.hours[0], last = map.hours.length - 1;
    const from = wantedWindow ? (wantedWindow.from - first) / HOUR : -1, to = wantedWindow ? (wantedWindow.to - first) / HOUR : last;
    const width = Math.max(pane.clientWidth - 64, 100), margin = width < 420 ? 6 : 92;
    const room = to >= last && options.showBands ? (to - from) * margin / Math.max(width - margin, 1) : 0;
    chart.timeScale().setVisibleLogicalRange({ from: from + 1, to: to + room });
  }

  function applyReach() {
    if (!map) return;
    const level = map.meta.price ?? map.price.findLast(one => one > 0) ?? 1, reach = wantedReach ?? map.meta.reach_ratio;
    if (typeof reach === 'number') {
      const { hours } = map, from = wantedWindow?.from ?? -Infinity, to = wantedWindow?.to ?? Infinity;
      const lows = map.candles.low.filter((one, at) => one > 0 && hours[at] > from && hours[at] <= to);
      const highs = map.candles.high.filter((one, at) => one > 0 && hours[at] > from && hours[at] <= to);
      // Candles of the window are in view, whatever the reach.
      setRange(Math.min(level * (1 - reach), ...lows), Math.max(level * (1 + reach), ...highs));
    } else setRange(reach.low, reach.high);
  }

  /** @param {number} low @param {number} high */
  function setRange(low, high) {
    if (!(low > 0) || !(high > low)) [low, high] = [(high > 0 ? high : 1) * 0.9, (high > 0 ? high : 1) * 1.1];
    range = { low, high };
    anchor.priceScale().applyOptions({ autoScale: true });
    requestUpdate();
  }

  /** Zoom prices around one of them. @param {number} factor @param {number} [around] */
  function zoomPrice(factor, around) {
    const own = view();
    if (!own) return;
    const middle = around ?? Math.sqrt(own.low * own.high);
    if (Math.log(own.high / own.low) * factor < 4e-4 || Math.log(own.high / own.low) * factor > 8) return;
    setRange(middle * (own.low / middle) ** factor, middle * (own.high / middle) ** factor);
  }

  /** @param {number} hour @param {number} bin @param {{x: number, y: number}} point */
  function hover(hour, bin, point) {
    const own = view();
    if (!own || !map) return;
    const parts = partsOf(map, hour, bin, own.binsPerCell, options);
    tooltip.show(parts, { ...point, width: own.width, height: own.height }, theme);
    onHover?.(parts.map(([label, value]) => `${label} ${value}`));
  }

  function leave() {
    cursor = null;
    tooltip.hide();
    onHover?.([]);
  }

  chart.subscribeCrosshairMove(({ point, paneIndex }) => {
    if (cursor) return;
    const own = view();
    if (!own || !point || paneIndex) return leave();
    hover(own.hourAt(point.x), cellOf(own.binAt(point.y), own.binsPerCell), point);
  });

  /** Move the keyboard's cursor by cells, and the view where it would leave it. @param {number} hours @param {number} bins */
  function moveCursor(hours, bins) {
    const own = view();
    if (!own || !map) return;
    const ranges = rangesOf(own, map);
    const start = cursor ?? { hour: Math.min(map.meta.newest < 0 ? map.hours.length - 1 : map.meta.newest, ranges.hours[1] - 1), bin: cellOf(own.binAt(own.yOf(map.meta.price ?? own.low)), own.binsPerCell) };
    const hour = Math.max(0, Math.min(map.hours.length - 1, start.hour + hours * own.hoursPerCell)), bin = start.bin + bins * own.binsPerCell;
    cursor = { hour, bin };
    const logical = chart.timeScale().getVisibleLogicalRange();
    if (logical && (hour < logical.from || hour > logical.to)) {
      const shift = hour < logical.from ? hour - logical.from - 1 : hour - logical.to + 1;
      chart.timeScale().setVisibleLogicalRange({ from: logical.from + shift, to: logical.to + shift });
    }
    const middle = centreOf(map.meta, bin + (own.binsPerCell - 1) / 2), shift = middle < own.low ? middle / own.low : middle > own.high ? middle / own.high : 1;
    if (shift !== 1) setRange(own.low * shift ** 1.05, own.high * shift ** 1.05);
    requestAnimationFrame(() => {
      if (!cursor || !map) return;
      chart.setCrosshairPosition(middle, map.hours[hour], anchor);
      hover(hour, bin, { x: own.x0 + hour * own.spacing, y: own.yOf(middle) });
    });
  }

  /** @param {number} factor */
  function zoomTime(factor) {
    const logical = chart.timeScale().getVisibleLogicalRange();
    if (!logical) return;
    const fixed = cursor?.hour ?? logical.to;
    chart.timeScale().setVisibleLogicalRange({ from: fixed + (logical.from - fixed) * factor, to: fixed + (logical.to - fixed) * factor });
  }

  /** @type {Record<string, (step: number) => void>} */
  const keys = {
    ArrowLeft: step => moveCursor(-step, 0), ArrowRight: step => moveCursor(step, 0),
    ArrowUp: step => moveCursor(0, step), ArrowDown: step => moveCursor(0, -step),
    Home: () => moveCursor(-1e6, 0), End: () => moveCursor(1e6, 0),
    '+': () => zoomTime(0.8), '=': () => zoomTime(0.8), '-': () => zoomTime(1.25),
    PageUp: () => zoomPrice(0.8), PageDown: () => zoomPrice(1.25),
    Escape: () => { chart.clearCrosshairPosition(); leave(); },
    0: () => { applyWindow(); applyReach(); },
  };
  pane.addEventListener('keydown', event => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    isByUser = true;
    act(event.shiftKey ? 10 : 1);
  });
  pane.addEventListener('blur', () => { if (cursor) keys.Escape(1); });
  for (const kind of ['pointerdown', 'wheel', 'touchstart']) pane.addEventListener(kind, () => { isByUser = true; cursor = null; }, { capture: true, passive: true });
  pane.addEventListener('dblclick', () => { applyWindow(); applyReach(); });
  frame.addEventListener('wheel', event => {
    const own = view(), { left, top } = pane.getBoundingClientRect();
    if (!own || (!event.shiftKey && event.clientX - left < own.width)) return;
    event.preventDefault();
    event.stopPropagation();
    zoomPrice(Math.exp((event.deltaY || event.deltaX) * 0.0012), own.priceAt(event.clientY - top));
  }, { capture: true, passive: false });

  const observer = new ResizeObserver(layOut);
  observer.observe(frame);
  paintTheme();

  return {
    /** Replace what is shown; the same asset keeps its view. @param {MapData} data */
    setData(data) {
      const isSame = map?.meta.asset === data.meta.asset && map.hours.length > 0 && data.hours.length > 0;
      const logical = chart.timeScale().getVisibleLogicalRange(), old = map;
      map = data;
      raster.setMap(data, isSame);
      leave();
      fillSeries();
      if (isSame && old && logical) {
        // A view that ends with the newest hour follows it.
        const moved = (old.hours[0] - data.hours[0]) / HOUR;
        const grown = logical.to >= old.hours.length - 1.5 ? data.hours.length - old.hours.length - moved : 0;
        chart.timeScale().setVisibleLogicalRange({ from: logical.from + moved + grown, to: logical.to + moved + grown });
      } else {
        isByUser = false;
        applyWindow();
        applyReach();
      }
      seenKey = '';
      requestUpdate();
    },
    /** @param {Partial<Options>} changed */
    setOptions(changed) {
      const old = options;
      options = { ...options, ...changed };
      if (old.showRealised !== options.showRealised) fillRealised();
      seenKey = '';
      requestUpdate();
    },
    /** Show the hours after from up to to. @param {{from: string | number | Date, to: string | number | Date}} hours */
    setWindow({ from, to }) {
      wantedWindow = { from: secondsOf(from), to: secondsOf(to) };
      isByUser = false;
      applyWindow();
    },
    /** Show prices: a share of price each way, or from low to high; null is the map's own. @param {number | {low: number, high: number} | null} reach */
    setReach(reach) {
      wantedReach = reach;
      isByUser = false;
      applyReach();
    },
    /** What is in view, null before anything is; rows yields its bins that are not empty. */
    seen() {
      const own = view(), data = map;
      return own && data && { ...seenOf(own), notes: [...notes], rows: () => seenRows(own, data, options) };
    },
    /** Resolves once what was set last is painted. @returns {Promise<void>} */
    drawn: () => new Promise(resolve => {
      if (!map?.hours.length || !pane.clientWidth) return requestAnimationFrame(() => resolve());
      waiting.push(resolve);
      return requestUpdate();
    }),
    /** Place of a price in CSS pixels from the chart's top, null where it has none. @param {number} price */
    priceToY: price => anchor.priceToCoordinate(price),
    /** The chart as a picture, with axes, notes and attribution. @returns {HTMLCanvasElement} */
    toCanvas() {
      const shot = chart.takeScreenshot(true, false), ratio = window.devicePixelRatio || 1, line = 17 * ratio;
      const lines = [...notes, ...labels.notes ?? [], 'Charts by TradingView (tradingview.com)'];
      const head = labels.title ? 26 * ratio : 0, canvas = document.createElement('canvas');
      canvas.width = shot.width + profile.width;
      canvas.height = Math.round(head + Math.max(shot.height, profile.height) + line * (lines.length + 0.7));
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
      context.fillStyle = theme.page;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(shot, 0, head);
      context.drawImage(profile, shot.width, head);
      Object.assign(context, { fillStyle: theme.ink, textBaseline: 'middle', font: `600 ${14 * ratio}px system-ui, sans-serif` });
      context.fillText(labels.title ?? '', 10 * ratio, head / 2, canvas.width - 20 * ratio);
      Object.assign(context, { fillStyle: theme.muted, font: `${11 * ratio}px system-ui, sans-serif` });
      lines.forEach((text, at) => context.fillText(text, 10 * ratio, canvas.height - line * (lines.length - at - 0.3), canvas.width - 20 * ratio));
      return canvas;
    },
    /** @param {'dark' | 'light'} name */
    setTheme(name) {
      theme = THEMES[name];
      paintTheme();
      fillRealised();
      seenKey = '';
      requestUpdate();
    },
    /** @param {Settings['labels']} changed */
    setLabels(changed) { labels = { ...labels, ...changed }; },
    resize: layOut,
    destroy() {
      observer.disconnect();
      raster.destroy();
      chart.remove();
      element.replaceChildren();
    },
  };
}

export { createHeatmap as createChart };
