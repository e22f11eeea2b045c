// Keeps a page as it is on the server: swaps the fragments that one connection brings, and lets times run. Without it
// every page, link and form works all the same.
"use strict";
(() => {
  const page = document.body.dataset;
  const SILENCE_MAX_MS = 40000; // the server gives a sign of life every 15 s
  const AGAIN_MAX_MS = 30000;
  const RELOAD_EVERY_MIN_MS = 5000; // whatever may be wrong, no page reloads in a loop
  const OPEN_TABS_MAX = 4; // a browser has six connections to a server, for all its tabs
  const byId = (id) => document.getElementById(id);
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  let source, heard, again, reloading, failures = 0;
  let ahead = 0, aheadMin; // of the server's clock is this machine's by so many ms; what comes late says too many

  // --- times ---
  function span(ms) {
    const s = Math.round(Math.abs(ms) / 1000);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min${s < 600 && s % 60 ? ` ${s % 60} s` : ""}`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d`;
  }
  function showTimes() {
    for (const time of document.querySelectorAll("time[data-ago], time[data-until], time[data-since]")) {
      const at = new Date(time.dateTime), left = at - Date.now() + ahead;
      const { until, since, limit } = time.dataset;
      let text = `${span(left)} ago`;
      if (until !== undefined) text = left > 0 ? `${span(left)} left` : "any moment";
      if (since !== undefined) {
        const over = limit && -left > limit * 1000;
        text = `for ${span(left)}${over ? `, longer than ${span(limit * 1000)}` : ""}`;
        time.toggleAttribute("data-over", Boolean(over));
      }
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.local) {
        time.dataset.local = exact.format(at);
        time.title = `${time.title} UTC · ${time.dataset.local}`;
      }
    }
  }

  // --- fragments ---
  const kept = "details[id], input[id]:not([type=hidden]), textarea[id], select[id]", scrolls = ".scroll, pre";
  const touched = (field) => field.options
    ? [...field.options].some((option) => option.selected !== option.defaultSelected)
    : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  const buttons = (it) => [...it.querySelectorAll("button, a.button")].map((button) => button.textContent).join();
  function swap(id, html, following) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild, old = byId(id);
    if (!old) return byId("main").insertBefore(fresh, following.map(byId).find(Boolean) || null);
    const focused = old.contains(document.activeElement) && document.activeElement;
    const caret = focused && focused.selectionStart != null && [focused.selectionStart, focused.selectionEnd];
    const scrolled = [...old.querySelectorAll(scrolls)].map((it) => [it.scrollLeft, it.scrollTop]);
    // What somebody has opened or typed stays as they left it.
    for (const it of old.querySelectorAll(kept)) {
      const same = fresh.querySelector(`#${CSS.escape(it.id)}`) || {};
      if (it.tagName === "DETAILS") same.open = it.open;
      else if (touched(it)) [same.value, same.checked] = [it.value, it.checked];
    }
    // A click that was meant for what stood here before does nothing.
    fresh.toggleAttribute("data-changed", buttons(fresh) !== buttons(old));
    old.replaceWith(fresh);
    fresh.querySelectorAll(scrolls).forEach((it, i) => { if (scrolled[i]) [it.scrollLeft, it.scrollTop] = scrolled[i]; });
    if (!focused) return;
    const same = focused.id && focused.tagName !== "BUTTON" ? byId(focused.id) : like(focused, fresh);
    if (!same) fresh.tabIndex = -1;
    (same || fresh).focus({ preventScroll: true });
    if (same && caret) same.setSelectionRange(...caret);
  }
  // The same link or button in the new fragment: never one that only looks the same and does another thing.
  function like(focused, fresh) {
    const of = (it) => [it.getAttribute("href"), it.name, it.value, it.getAttribute("aria-label") || it.textContent].join("\n");
    const found = [...fresh.querySelectorAll(focused.tagName)].filter((it) => of(it) === of(focused));
    return found.length === 1 || focused.href ? found[0] : focused.tagName === "SUMMARY" && byId(focused.parentElement.id)?.querySelector("summary");
  }
  function move(id, { drop, add }) {
    const list = byId(id);
    if (!list) return reload();
    const end = document.scrollingElement;
    const follows = end.scrollTop + end.clientHeight > end.scrollHeight - 80;
    for (let i = 0; i < drop; i++) list.firstElementChild?.remove();
    list.insertAdjacentHTML("beforeend", add);
    if (follows) end.scrollTop = end.scrollHeight;
  }
  function update(event) {
    const { title, icon, order, fragments } = JSON.parse(event.data), after = (id) => order.slice(order.indexOf(id) + 1);
    for (const [id, change] of fragments) typeof change === "string" ? swap(id, change, after(id)) : move(id, change);
    for (const fragment of document.querySelectorAll("main > .fragment")) if (!order.includes(fragment.id)) fragment.remove();
    page.seen = event.lastEventId;
    if (document.title !== title) byId("announce").textContent = document.title = title;
    if (byId("icon").getAttribute("href") !== icon) byId("icon").setAttribute("href", icon);
    showTimes();
  }

  // --- the connection ---
  function reload() {
    clearTimeout(reloading);
    reloading = setTimeout(() => location.reload(), Math.max(0, RELOAD_EVERY_MIN_MS - performance.now()));
  }
  function connection(lost) {
    const state = lost ? "lost" : "live", line = byId("connection");
    if (!lost) [heard, failures] = [Date.now(), 0];
    if (page.connection === state) return;
    page.connection = state;
    line.hidden = !lost;
    line.textContent = lost
      ? `Not connected since ${new Date(Date.now() - ahead).toISOString().slice(11, 19)} UTC: what you see may be old. Trying again.` : "";
  }
  function connect() {
    close();
    const query = new URLSearchParams({ page: page.page, seen: page.seen, build: page.build });
    source = new EventSource(`/live?${query}`);
    heard = Date.now();
    tabs && tabs.postMessage(self);
    source.addEventListener("open", () => { aheadMin = Infinity; });
    source.addEventListener("alive", (event) => {
      ahead = aheadMin = Math.min(aheadMin, Date.now() - Number(event.data));
      connection(false);
    });
    source.addEventListener("renew", reload);
    source.addEventListener("message", (event) => { connection(false); update(event); });
    source.addEventListener("error", () => {
      connection(true);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, Math.min(AGAIN_MAX_MS, 1000 * 2 ** failures++));
    });
  }
  function close() { clearTimeout(again), source = source?.close(); }

  setInterval(showTimes, 1000), showTimes();
  if (!page.page) return;
  // The tabs that connected last stay connected; the others come back when they are looked at again.
  const tabs = "BroadcastChannel" in window && new BroadcastChannel("barq-tabs");
  const self = Math.random(), newer = new Set(), asleep = "\u{1f4a4} "; // a title that does not follow says so
  const sleep = () => { close(); document.title = asleep + document.title; };
  if (tabs) tabs.onmessage = ({ data }) => { if (document.hidden && newer.add(data).size >= OPEN_TABS_MAX && source) sleep(); };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    document.title = document.title.replace(asleep, newer.clear() || "");
    source ? tabs && tabs.postMessage(self) : connect();
  });
  connect();
  setInterval(() => { if (source && Date.now() - heard > SILENCE_MAX_MS) { connection(true); connect(); } }, 5000);
  // A page that is left may be kept, and come back as it was.
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  addEventListener("online", () => { if (source) connect(); });
})();
