// Parts of the page's scripts that need no browser, run by node: test_page_modules.py starts this.

import assert from "node:assert/strict";
import { register } from "node:module";
import test from "node:test";

const ROOT = new URL("../../../", import.meta.url).href;
const HOOKS = `
export async function resolve(name, context, next) {
  const path = name.replace(/^\\/chart\\//, "plots/chart/").replace(/^\\/static\\//, "web/static/");
  const found = await next(path === name ? name : new URL(path, "${ROOT}").href, context);
  return found.url.endsWith(".js") ? { ...found, format: "module" } : found;
}`;
register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);

const { changedView, mapQuery, parseView, viewQuery } = await import("/static/view.js");
const { matchAssets } = await import("/static/search.js");
const { pinned, toCsv } = await import("/static/save.js");
const { hourInAddress } = await import("/static/scrubber.js");
const { sharesOf } = await import("/static/difference.js");

test("an address leaves out what is default and keeps the order of names", () => {
  const view = parseView("?theme=auto&side=long&asset=BTC&venue=all&unknown=1");
  assert.deepEqual(view, { asset: "BTC", side: "long" });
  assert.equal(
    viewQuery({ panel: "health", side: "long", asset: "BTC", days: "7" }),
    "asset=BTC&side=long&panel=health",
  );
});

test("a view goes through its address unchanged, whatever its names hold", () => {
  const view = { asset: "<b>&=\"'", provider: "a b+c", as_of: "2026-01-15T08:00Z", tiers: "25,50" };
  assert.deepEqual(parseView(`?${viewQuery(view)}`), view);
});

test("the map is requested under the address that the server preloads", () => {
  assert.equal(mapQuery({}), "days=7&format=grid");
  assert.equal(
    mapQuery({ theme: "dark", tiers: "25,50", days: "3" }),
    "days=3&tiers=25%2C50&format=grid",
  );
  assert.equal(mapQuery({ from: "2026-01-01T00:00Z" }), "from=2026-01-01T00%3A00Z&format=grid");
  assert.equal(
    mapQuery({ provider: "a", compare: "b" }, { provider: "b" }),
    "provider=b&days=7&format=grid",
  );
});

test("a change drops what cannot hold beside it", () => {
  const pins = {
    asset: "BTC",
    from: "2026-01-01T00:00Z",
    to: "2026-01-02T00:00Z",
    reach: "0.1",
    venue: "sim",
  };
  assert.deepEqual(changedView(pins, { as_of: "2026-01-03T00:00Z" }), {
    asset: "BTC",
    as_of: "2026-01-03T00:00Z",
    reach: "0.1",
    venue: "sim",
  });
  assert.deepEqual(changedView({ as_of: "2026-01-03T00:00Z" }, { days: "30" }), {
    as_of: "2026-01-03T00:00Z",
    days: "30",
  });
  assert.deepEqual(changedView(pins, { asset: "ETH" }), {
    asset: "ETH",
    from: pins.from,
    to: pins.to,
  });
  assert.deepEqual(changedView({ compare: "turnover" }, { provider: "turnover" }), {
    provider: "turnover",
  });
  assert.deepEqual(changedView({ tiers: "50" }, { provider: "path_ledger" }), {
    provider: "path_ledger",
  });
  assert.deepEqual(changedView({ as_of: "2026-01-03T00:00Z" }, { as_of: "" }), {});
});

test("assets that begin with what was typed come before those that contain it", () => {
  const assets = [
    ["WBTC", "A"],
    ["BTC", "A"],
    ["ETH", null],
  ];
  assert.deepEqual(
    matchAssets(assets, " btc").map(([name]) => name),
    ["BTC", "WBTC"],
  );
  assert.deepEqual(matchAssets(assets, "").length, 3);
  assert.deepEqual(matchAssets(assets, "x"), []);
});

test("CSV quotes what needs it, leaves unknown figures empty and runs no formula", () => {
  const rows = [
    { asset: '=cmd|"x"', side: "a,b", amount: NaN },
    { asset: "BTC", side: "line\nbreak", amount: -1.5 },
  ];
  assert.equal(
    toCsv(rows),
    'asset,side,amount\r\n"\'=cmd|""x""","a,b",\r\nBTC,"line\nbreak",-1.5\r\n',
  );
  assert.equal(toCsv([]), "\r\n");
});

test("a link pins hours and the farther reach, within what a view may have", () => {
  const seen = { from: 1767830400, to: 1768435200, low: 90, high: 105 };
  assert.deepEqual(pinned(seen, 100), {
    from: "2026-01-08T00:00Z",
    to: "2026-01-15T00:00Z",
    reach: "0.100",
    as_of: "",
    days: "",
  });
  assert.equal(pinned({ ...seen, high: 1000 }, 100).reach, "0.600");
  assert.equal(hourInAddress(Date.UTC(2026, 0, 15, 8)), "2026-01-15T08:00Z");
});

test("shares are of what lies between two prices in the newest hour, and add up to one", () => {
  const side = {
    firstBin: Int32Array.of(0, 10),
    offset: Uint32Array.of(0, 1, 5),
    usd: Float32Array.of(7, 1, 0, 3, 96),
  };
  const map = {
    meta: { newest: 1, log_step: 0.01, log_origin: 0 },
    sides: { long: side, short: side },
  };
  const shares = sharesOf(map, "long", Math.exp(0.101), Math.exp(0.129));
  assert.deepEqual(
    [...shares],
    [
      [10, 0.25],
      [12, 0.75],
    ],
  );
  assert.deepEqual([...sharesOf({ ...map, meta: { ...map.meta, newest: -1 } }, "long", 1, 2)], []);
});
