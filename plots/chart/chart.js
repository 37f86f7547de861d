// The chart: candles and axes are the library's, the map under them and the profile are ours.

import { CandlestickSeries, HistogramSeries, LineSeries, createChart } from './lightweight-charts.js';
import { SIDES, edgeOf } from './grid.js';
import { drawBands, drawFlags, drawKey, notesOf } from './overlays.js';
import { drawProfile, profileOf, seenRows } from './profile.js';
import { Raster } from './raster.js';
import { THEMES, decimalsOf, hourText, inWords, paletteOfTheme, priceText } from './scale.js';
import { Tooltip, partsOf } from './tooltip.js';
import { cellOf, rangesOf, viewOf } from './view.js';

/** @typedef {import('./grid.js').MapData} MapData */
/** @typedef {import('./view.js').View} View */
/** @typedef {import('./lightweight-charts.js').SeriesApi} SeriesApi */
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

const OF_THE_HOUR = ['hour', 'liquidated in the hour'], HOUR = 3600, NARROW_PX = 480, KEY_PX = { width: 216, height: 52 }, ATTRIBUTION = 'Charts by TradingView';
/** @type {Options} */
const DEFAULTS = { side: 'both', unit: 'usd', threshold: 0, scale: null, showBands: true, showRealised: true, showStartUp: true };

/** @param {string | number | Date} instant @returns {number} Unix seconds */
const secondsOf = instant => typeof instant === 'number' ? instant : new Date(instant).getTime() / 1000;

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {Partial<CSSStyleDeclaration>} style @param {Element[]} children */
function styled(tag, style, ...children) {
  const element = document.createElement(tag);
  Object.assign(element.style, style);
  element.append(...children);
  return element;
}

/** Lines of a text that are no wider than a width. @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function wrapped(context, text, width) {
  return text.split(' ').reduce((/** @type {string[]} */ lines, word) => {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    return context.measureText(longer).width > width ? [...lines, word] : [...lines.slice(0, -1), longer];
  }, []);
}

/**
 * @param {HTMLElement} element filled by the chart; its size is the chart's
 * @param {Settings} [settings]
 */
function createHeatmap(element, { theme: themeName = 'dark', labels = {}, onHover, onViewChange, workerUrl } = {}) {
  let theme = THEMES[themeName], palette = paletteOfTheme(theme), options = DEFAULTS, range = { low: 1, high: 2 };
  let isByUser = false, isDragging = false, drawnKey = '', ratios = { x: 1, y: 1 }, profileWidth = 0;
  /** @type {MapData | null} */
  let map = null;
  /** @type {{from: number, to: number} | null} the whole map where null */
  let wantedWindow = null;
  /** @type {number | {low: number, high: number} | null} the map's own where null */
  let wantedReach = null;
  /** @type {{hour: number, bin: number} | null} of the keyboard */
  let cursor = null;
  /** @type {(() => void)[]} */
  let waiting = [];
  /** @type {string[]} */
  let notes = [];
  /** @type {SeriesApi[]} */
  let realised = [];
  let requestUpdate = () => {};

  const pane = styled('div', { position: 'relative', flex: '1 1 0', minWidth: '0', height: '100%' });
  const profile = styled('canvas', { flex: 'none', height: '100%', touchAction: 'none', cursor: 'ns-resize' }), frame = styled('div', { display: 'flex', flex: '1 1 0', minHeight: '0' }, pane, profile);
  const key = styled('canvas', { width: `${KEY_PX.width}px`, height: `${KEY_PX.height}px`, flex: 'none' }), note = styled('p', { margin: '0', flex: '1 1 200px' });
  const link = Object.assign(styled('a', {}), { href: 'https://www.tradingview.com/', target: '_blank', rel: 'noopener noreferrer', textContent: ATTRIBUTION });
  const foot = styled('div', { display: 'flex', flexWrap: 'wrap', gap: '4px 20px', padding: '6px 10px', font: '12px/1.4 system-ui, sans-serif' }, key, note, link);
  Object.assign(element.style, { display: 'flex', flexDirection: 'column', minWidth: '0' });
  element.replaceChildren(frame, foot);
  for (const canvas of [profile, key]) canvas.setAttribute('aria-hidden', 'true');
  pane.tabIndex = 0;
  pane.setAttribute('role', 'application');
  pane.setAttribute('aria-label', labels.name ?? 'liquidation heatmap; arrow keys move the cursor, plus and minus zoom');

  const chart = createChart(pane, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, fontFamily: 'system-ui, sans-serif', panes: { enableResize: false } },
    grid: { vertLines: { visible: false }, horzLines: { visible: false } },
    crosshair: { mode: 0 },
    rightPriceScale: { mode: 1, borderVisible: false, scaleMargins: { top: 0, bottom: 0 }, minimumWidth: 56 },
    timeScale: { timeVisible: true, secondsVisible: false, borderVisible: false, minBarSpacing: 0.02, shiftVisibleRangeOnNewBar: false },
    handleScroll: { vertTouchDrag: false },
    localization: { timeFormatter: hourText },
  });
  const quiet = { lastValueVisible: false, priceLineVisible: false }, times = chart.timeScale();
  const fitted = { autoscaleInfoProvider: () => ({ priceRange: { minValue: range.low, maxValue: range.high } }) };
  // Gives every hour a place, with or without a candle, and prices their scale.
  const anchor = chart.addSeries(LineSeries, { ...quiet, ...fitted, lineVisible: false, crosshairMarkerVisible: false });
  const candles = chart.addSeries(CandlestickSeries, { ...fitted, priceLineStyle: 1 });
  const tooltip = new Tooltip(pane), raster = new Raster(workerUrl, () => requestUpdate());
  const view = () => map && viewOf(chart, anchor, map, ratios);
  const look = () => ({
    side: options.side, threshold: options.threshold, scale: options.scale, palette,
    isCoins: options.unit === 'coins' && map?.meta.unit === 'usd', isStartUpShown: options.showStartUp,
  });
  const redraw = () => {
    drawnKey = '';
    requestUpdate();
  };

  const layers = /** @type {const} */ (['bottom', 'top']).map(order => ({
    zOrder: () => order,
    renderer: () => ({
      /** @param {import('./lightweight-charts.js').DrawTarget} target */
      draw: target => target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio: x, verticalPixelRatio: y }) => {
        ratios = { x, y };
        const own = view();
        if (!own || !map) return;
        if (order === 'top') return options.showBands && drawBands(context, own, map, theme, options.side);
        raster.request(own, look());
        raster.draw(context, own);
        drawFlags(context, own, map, theme);
        followView(own, map);
      }),
    }),
  }));
  anchor.attachPrimitive({ attached: parameters => { requestUpdate = parameters.requestUpdate; }, paneViews: () => layers });

  /** Draw what belongs to the view beside the pane. @param {View} own @param {MapData} data */
  function followView(own, data) {
    // The library fits prices only while it may choose them; afterwards drags move them.
    if (anchor.priceScale().options().autoScale) queueMicrotask(() => anchor.priceScale().applyOptions({ autoScale: false }));
    const wantedKey = raster.keyOf(own, look());
    if (drawnKey !== wantedKey) {
      drawnKey = wantedKey;
      for (const [canvas, across, down] of /** @type {[HTMLCanvasElement, number, number][]} */ ([[profile, profileWidth, frame.clientHeight], [key, KEY_PX.width, KEY_PX.height]]))
        Object.assign(canvas, { width: Math.round(across * ratios.y), height: Math.round(down * ratios.y) });
      const seen = profileOf(own, data, options);
      drawProfile(profile, own, data, theme, options.showStartUp, seen);
      notes = notesOf(own, data, options, seen.parts);
      onViewChange?.({ ...seenOf(own, data), byUser: isByUser });
    }
    if (note.textContent !== notes.join('; ')) note.textContent = notes.join('; ');
    if (raster.picture) drawKey(key, own, data, theme, raster.picture.scale, options);
    if (raster.picture?.key !== wantedKey) return;
    const resolved = waiting;
    waiting = [];
    requestAnimationFrame(() => resolved.forEach(resolve => resolve()));
  }

  /** @param {View} own @param {MapData} data @returns {Seen} */
  function seenOf(own, data) {
    const { hours: [from, until] } = rangesOf(own, data);
    return { from: data.hours[0] + (from - 1) * HOUR, to: data.hours[0] + (until - 1) * HOUR, low: own.low, high: own.high };
  }

  function layOut() {
    const { width } = frame.getBoundingClientRect();
    profileWidth = width < NARROW_PX ? 54 : Math.min(220, Math.round(width * 0.16));
    profile.style.width = `${profileWidth}px`;
    note.style.flexBasis = width < NARROW_PX ? '100%' : '200px';
    if (realised.length) chart.panes()[1].setHeight(width < NARROW_PX ? 44 : 72);
    if (!isByUser) applyWindow();
    redraw();
  }

  function paintTheme() {
    palette = paletteOfTheme(theme);
    element.style.background = theme.page;
    note.style.color = link.style.color = theme.muted;
    const { up, down, edge } = theme.candle, line = { color: theme.muted, labelBackgroundColor: theme.muted };
    chart.applyOptions({
      layout: { background: { type: 'solid', color: theme.page }, textColor: theme.ink, panes: { separatorColor: theme.line } },
      crosshair: { vertLine: line, horzLine: line },
    });
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: edge, wickDownColor: down, borderUpColor: edge, borderDownColor: down, priceLineColor: theme.ink });
  }

  /** Fill the library's series; whitespace keeps hours without a candle in place. @param {MapData} data */
  function fillSeries({ hours, candles: { open, high, low, close }, price, meta }) {
    const level = meta.price ?? 1, formatter = (/** @type {number} */ one) => priceText(one, level);
    for (const series of [anchor, candles]) series.applyOptions({ priceFormat: { type: 'custom', minMove: 10 ** -decimalsOf(level), formatter } });
    // Bars of other hours would be looked up on the anchor's.
    for (const series of [candles, ...realised]) series.setData([]);
    anchor.setData(Array.from(hours, (time, at) => ({ time, value: price[at] || close[at] || level })));
    candles.setData(Array.from(hours, (time, at) => close[at] > 0 ? { time, open: open[at], high: high[at], low: low[at], close: close[at] } : { time }));
  }

  /** Liquidations that venues published, in a strip below: shorts up, longs down; pale is "at least". @param {MapData} data */
  function fillRealised({ hours, realised: figures, isLowerBound }) {
    const isWanted = options.showRealised && SIDES.some(side => figures[side].some(value => value > 0));
    if (!isWanted) realised.splice(0).forEach(series => chart.removeSeries(series));
    else if (!realised.length) {
      const priceFormat = { type: 'custom', minMove: 1, formatter: (/** @type {number} */ one) => inWords(Math.abs(one)) };
      realised = SIDES.map(() => chart.addSeries(HistogramSeries, { ...quiet, priceFormat }, 1));
      realised[0].priceScale().applyOptions({ mode: 0, scaleMargins: { top: 0.06, bottom: 0.06 } });
      layOut();
    }
    for (const [at, series] of realised.entries()) {
      const side = SIDES[at], sign = side === 'long' ? -1 : 1;
      series.setData(Array.from(hours, (time, hour) => figures[side][hour] >= 0
        ? { time, value: sign * figures[side][hour], color: theme.side[side] + (isLowerBound[hour] ? '80' : 'ff') } : { time }));
    }
  }

  function applyWindow() {
    if (!map?.hours.length) return;
    const first = map.hours[0], last = map.hours.length - 1, width = Math.max(pane.clientWidth - 64, 100), margin = width < 420 ? 6 : 104;
    const from = wantedWindow ? (wantedWindow.from - first) / HOUR : -1, to = wantedWindow ? (wantedWindow.to - first) / HOUR : last;
    const room = to >= last && options.showBands ? (to - from) * margin / Math.max(width - margin, 1) : 0;
    times.setVisibleLogicalRange({ from: from + 1, to: to + room });
  }

  function applyReach() {
    if (!map) return;
    const { meta, price, hours, candles: { low, high } } = map, level = meta.price ?? price.findLast(one => one > 0) ?? 1;
    const reach = wantedReach ?? meta.reach_ratio, { from, to } = wantedWindow ?? { from: -Infinity, to: Infinity };
    if (typeof reach !== 'number') return setRange(reach.low, reach.high);
    // Candles of the window are in view, whatever the reach.
    const isIn = (/** @type {number} */ one, /** @type {number} */ at) => one > 0 && hours[at] > from && hours[at] <= to;
    setRange(Math.min(level * (1 - reach), ...low.filter(isIn)), Math.max(level * (1 + reach), ...high.filter(isIn)));
  }

  /** @param {number} low @param {number} high */
  function setRange(low, high) {
    const span = Math.log(high / low);
    if (!(span > 4e-4) || span > 8) return;
    range = { low, high };
    anchor.priceScale().applyOptions({ autoScale: true });
    requestUpdate();
  }

  /** Zoom prices around one of them. @param {number} factor @param {number} [around] */
  function zoomPrice(factor, around) {
    // A range that is set holds before it is drawn: keys may come faster than frames.
    const { low, high } = anchor.priceScale().options().autoScale ? range : view() ?? range, middle = around ?? Math.sqrt(low * high);
    setRange(middle * (low / middle) ** factor, middle * (high / middle) ** factor);
  }

  /** Zoom hours around the cursor or the right edge, and move them. @param {number} factor @param {number} [shift] */
  function zoomTime(factor, shift = 0) {
    const { from, to } = times.getVisibleLogicalRange() ?? { from: 0, to: 1 }, fixed = cursor?.hour ?? to;
    times.setVisibleLogicalRange({ from: fixed + (from - fixed) * factor + shift, to: fixed + (to - fixed) * factor + shift });
  }

  /** @param {number} hour @param {number} bin @param {{x: number, y: number}} point @param {View} own @param {MapData} data @param {boolean} [isInStrip] where no price is */
  function hover(hour, bin, point, own, data, isInStrip = false) {
    const parts = partsOf(data, hour, bin, own.binsPerCell, options).filter(([label]) => !isInStrip || OF_THE_HOUR.includes(label));
    tooltip.show(parts, point, own, theme);
    onHover?.(parts.map(([label, value]) => `${label} ${value}`));
  }

  function leave() {
    cursor = null;
    tooltip.show([], { x: 0, y: 0 }, { width: 0, height: 0 }, theme);
    onHover?.([]);
  }

  chart.subscribeCrosshairMove(({ point, paneIndex }) => {
    const own = view();
    if (cursor) return;
    if (!own || !map || !point || isDragging) return leave();
    const { x, y } = paneIndex ? { x: point.x, y: own.height } : point;
    hover(own.hourAt(x), cellOf(own.binAt(y), own.binsPerCell), { x, y }, own, map, paneIndex === 1);
  });

  /** Move the keyboard's cursor by cells, and the view where it would leave it. @param {number} hours @param {number} bins */
  function moveCursor(hours, bins) {
    const own = view(), data = map;
    if (!own || !data) return;
    const last = data.hours.length - 1, { hours: [from, until] } = rangesOf(own, data);
    const start = cursor ?? { hour: Math.min(data.meta.newest < 0 ? last : data.meta.newest, until - 1), bin: cellOf(own.binAt(own.yOf(data.meta.price ?? own.low)), own.binsPerCell) };
    const hour = Math.max(0, Math.min(last, start.hour + hours * own.hoursPerCell)), bin = start.bin + bins * own.binsPerCell;
    cursor = { hour, bin };
    if (hour < from || hour >= until) zoomTime(1, hour < from ? hour - from : hour - until + 1);
    const price = edgeOf(data.meta, bin + own.binsPerCell / 2), away = price < own.low ? price / own.low : price > own.high ? price / own.high : 1;
    if (away !== 1) setRange(own.low * away ** 1.05, own.high * away ** 1.05);
    requestAnimationFrame(() => {
      const moved = view();
      if (!cursor || !moved) return;
      chart.setCrosshairPosition(price, data.hours[hour], anchor);
      hover(hour, bin, { x: moved.x0 + hour * moved.spacing, y: moved.yOf(price) }, moved, data);
    });
  }

  const reset = () => {
    isByUser = false;
    applyWindow();
    applyReach();
  };
  /** @type {Record<string, (step: number) => void>} */
  const keys = {
    ArrowLeft: step => moveCursor(-step, 0), ArrowRight: step => moveCursor(step, 0), ArrowUp: step => moveCursor(0, step), ArrowDown: step => moveCursor(0, -step),
    Home: () => moveCursor(-1e6, 0), End: () => moveCursor(1e6, 0), PageUp: () => zoomPrice(0.8), PageDown: () => zoomPrice(1.25),
    '+': () => zoomTime(0.8), '=': () => zoomTime(0.8), '-': () => zoomTime(1.25), 0: reset,
    Escape: () => [chart.clearCrosshairPosition(), leave()],
  };
  pane.addEventListener('keydown', event => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    isByUser = true;
    keys[event.key](event.shiftKey ? 10 : 1);
  });
  pane.addEventListener('blur', () => cursor && keys.Escape(1));
  for (const kind of ['pointerdown', 'wheel', 'touchstart'])
    pane.addEventListener(kind, () => { [isByUser, cursor] = [true, null]; }, { capture: true, passive: true });
  pane.addEventListener('pointermove', event => { isDragging = event.buttons > 0 && event.pointerType === 'mouse'; }, { capture: true });
  pane.addEventListener('dblclick', reset);
  // The wheel zooms hours on the pane, prices beside it and with shift; so does a drag of the profile.
  frame.addEventListener('wheel', event => {
    const own = view(), { left, top } = pane.getBoundingClientRect();
    if (!own || (!event.shiftKey && event.clientX - left < own.width)) return;
    event.preventDefault();
    event.stopPropagation();
    zoomPrice(Math.exp((event.deltaY || event.deltaX) * 0.0012), own.priceAt(event.clientY - top));
  }, { capture: true, passive: false });
  profile.addEventListener('pointerdown', event => profile.setPointerCapture(event.pointerId));
  profile.addEventListener('pointermove', event => event.buttons && zoomPrice(Math.exp(event.movementY * 0.006)));
  const observer = new ResizeObserver(layOut);
  observer.observe(frame);
  paintTheme();

  return {
    /** Replace what is shown; the same asset keeps its view. @param {MapData} data */
    setData(data) {
      const old = map, isSame = !!old?.hours.length && old.meta.asset === data.meta.asset && data.hours.length > 0;
      const seen = times.getVisibleLogicalRange();
      map = data;
      raster.setMap(data, isSame);
      if (cursor) chart.clearCrosshairPosition();
      leave();
      fillSeries(data);
      fillRealised(data);
      if (isSame && seen && isByUser) {
        // A view that ends with the newest hour follows it.
        const moved = (old.hours[0] - data.hours[0]) / HOUR, grown = data.hours.length - old.hours.length - moved;
        const shift = moved + (seen.to >= old.hours.length - 1.5 ? grown : 0);
        times.setVisibleLogicalRange({ from: seen.from + shift, to: seen.to + shift });
      } else reset();
      if (!data.hours.length) {
        notes = [note.textContent = 'no map in this window'];
        for (const canvas of [profile, key]) canvas.width = canvas.width;
      }
      redraw();
    },
    /** @param {Partial<Options>} changed */
    setOptions(changed) {
      const isRealisedChanged = (changed.showRealised ?? options.showRealised) !== options.showRealised;
      options = { ...options, ...changed };
      if (isRealisedChanged && map) fillRealised(map);
      redraw();
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
      applyReach();
    },
    /** What is in view, null before anything is; rows yields its bins that are not empty. */
    seen() {
      const own = view(), data = map;
      return own && data && { ...seenOf(own, data), notes: [...notes], rows: () => seenRows(own, data, options) };
    },
    /** Resolves once what was set last is painted. @returns {Promise<void>} */
    drawn: () => new Promise(resolve => {
      if (!map?.hours.length || !pane.clientWidth) requestAnimationFrame(() => resolve());
      else waiting.push(resolve);
      requestUpdate();
    }),
    /** Place of a price in CSS pixels from the chart's top, null where it has none. @param {number} price */
    priceToY: price => anchor.priceToCoordinate(price),
    /** The chart as a picture, with key, axes, notes and attribution. @returns {HTMLCanvasElement} */
    toCanvas() {
      const shot = chart.takeScreenshot(true, false), ratio = ratios.y, line = 17 * ratio, head = labels.title ? 28 * ratio : 0;
      const canvas = document.createElement('canvas'), context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
      const width = canvas.width = shot.width + profile.width, below = Math.round(head + Math.max(shot.height, profile.height) + 8 * ratio);
      const font = `${11 * ratio}px system-ui, sans-serif`, left = 10 * ratio, notesTop = below + key.height + line / 2;
      context.font = font;
      const lines = [notes.join('; '), ...labels.notes ?? [], `${ATTRIBUTION} (tradingview.com)`].flatMap(text => wrapped(context, text, width - 2 * left));
      canvas.height = Math.round(notesTop + line * lines.length);
      context.fillStyle = theme.page;
      context.fillRect(0, 0, width, canvas.height);
      context.drawImage(shot, 0, head);
      context.drawImage(profile, shot.width, head);
      context.drawImage(key, left, below);
      Object.assign(context, { fillStyle: theme.ink, textBaseline: 'middle', font: `600 ${14 * ratio}px system-ui, sans-serif` });
      context.fillText(labels.title ?? '', left, head / 2, width - 2 * left);
      Object.assign(context, { fillStyle: theme.muted, font });
      lines.forEach((text, at) => context.fillText(text, left, notesTop + line * at));
      return canvas;
    },
    /** @param {'dark' | 'light'} name */
    setTheme(name) {
      theme = THEMES[name];
      paintTheme();
      if (map) fillRealised(map);
      redraw();
    },
    /** @param {Settings['labels']} changed */
    setLabels(changed) { labels = { ...labels, ...changed }; },
    resize: layOut,
    destroy() {
      observer.disconnect();
      raster.worker.terminate();
      chart.remove();
      element.replaceChildren();
    },
  };
}

export { createHeatmap as createChart };
