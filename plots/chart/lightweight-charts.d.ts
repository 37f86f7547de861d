// The part of lightweight-charts 5.2 that the chart uses.
export type Time = number;
export interface SeriesKind { readonly type: string }
export const CandlestickSeries: SeriesKind;
export const HistogramSeries: SeriesKind;
export const LineSeries: SeriesKind;

export interface BitmapScope {
  context: CanvasRenderingContext2D;
  bitmapSize: { width: number; height: number };
  mediaSize: { width: number; height: number };
  horizontalPixelRatio: number;
  verticalPixelRatio: number;
}
export interface DrawTarget { useBitmapCoordinateSpace(draw: (scope: BitmapScope) => void): void }
export interface PaneView {
  zOrder(): 'bottom' | 'normal' | 'top';
  renderer(): { draw(target: DrawTarget): void };
}
export interface SeriesPrimitive {
  attached?(parameters: { requestUpdate(): void }): void;
  paneViews(): PaneView[];
}
export interface SeriesApi {
  setData(points: object[]): void;
  applyOptions(options: object): void;
  attachPrimitive(primitive: SeriesPrimitive): void;
  priceToCoordinate(price: number): number | null;
  coordinateToPrice(y: number): number | null;
  priceScale(): { applyOptions(options: object): void; options(): { autoScale: boolean } };
}
export interface LogicalRange { from: number; to: number }
export interface TimeScaleApi {
  logicalToCoordinate(logical: number): number | null;
  getVisibleLogicalRange(): LogicalRange | null;
  setVisibleLogicalRange(range: LogicalRange): void;
  subscribeSizeChange(call: () => void): void;
  width(): number;
}
export interface CrosshairEvent { point?: { x: number; y: number }; paneIndex?: number }
export interface ChartApi {
  addSeries(kind: SeriesKind, options: object, paneIndex?: number): SeriesApi;
  timeScale(): TimeScaleApi;
  panes(): { getHeight(): number; setHeight(height: number): void }[];
  removePane(index: number): void;
  removeSeries(series: SeriesApi): void;
  applyOptions(options: object): void;
  subscribeCrosshairMove(call: (event: CrosshairEvent) => void): void;
  setCrosshairPosition(price: number, time: Time, series: SeriesApi): void;
  clearCrosshairPosition(): void;
  takeScreenshot(withTopLayer?: boolean, withCrosshair?: boolean): HTMLCanvasElement;
  remove(): void;
}
export function createChart(element: HTMLElement, options: object): ChartApi;
