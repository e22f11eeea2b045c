// Keeps a page as it is on the server: swaps the fragments that one connection brings, and lets times run. Without it
// every page, link and form works all the same.
"use strict";
(() => {
  const page = document.body.dataset;
  const SILENCE_MAX_MS = 40000; // the server gives a sign of life every 15 s
  const AGAIN_MS = 1000;
  const OPEN_TABS_MAX = 4; // a browser has six connections to a server, for all its tabs
  const byId = (id) => document.getElementById(id);
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  let source, heard, lostAt, again;

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
      const at = new Date(time.dateTime), left = at - Date.now();
      const { until, since, limit } = time.dataset;
      let text = `${span(left)} ago`;
      if (until !== undefined) text = left > 0 ? `${span(left)} left` : "any moment";
      if (since !== undefined) {
        const over = limit && -left > limit * 1000;
        text = span(left) + (over ? `, longer than ${span(limit * 1000)}` : "");
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
  const kept = "input:not([type=hidden]), textarea, select";
  function swap(id, html) {
    const old = byId(id);
    if (!old) return location.reload();
    const focused = old.contains(document.activeElement) && document.activeElement;
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    // What somebody has opened or typed stays as they left it.
    for (const details of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector(`#${CSS.escape(details.id)}`);
      if (same) same.open = details.open;
    }
    for (const field of old.querySelectorAll(kept)) {
      const same = field.id && fresh.querySelector(`#${CSS.escape(field.id)}`);
      if (same && field.value !== field.defaultValue) same.value = field.value;
    }
    old.replaceWith(fresh);
    if (focused) {
      const same = focused.id ? byId(focused.id) : like(focused, fresh);
      (same || byId("main")).focus({ preventScroll: true });
    }
  }
  // The same link or button in the new fragment.
  function like(focused, fresh) {
    const name = focused.href ? "href" : "name";
    const candidates = [...fresh.querySelectorAll(focused.tagName)];
    return candidates.find((it) => it[name] === focused[name] && it.textContent === focused.textContent);
  }
  function move(id, { drop, add }) {
    const list = byId(id);
    if (!list) return location.reload();
    const end = document.scrollingElement;
    const follows = end.scrollTop + end.clientHeight > end.scrollHeight - 80;
    for (let i = 0; i < drop; i++) list.firstElementChild?.remove();
    list.insertAdjacentHTML("beforeend", add);
    if (follows) end.scrollTop = end.scrollHeight;
  }
  function update(event) {
    const { title, icon, fragments } = JSON.parse(event.data);
    for (const [id, change] of fragments) typeof change === "string" ? swap(id, change) : move(id, change);
    page.seen = event.lastEventId;
    if (document.title !== title) byId("announce").textContent = document.title = title;
    if (byId("icon").getAttribute("href") !== icon) byId("icon").setAttribute("href", icon);
    showTimes();
  }

  // --- the connection ---
  function connection(lost) {
    if (!lost) lostAt = undefined;
    else if (!lostAt) lostAt = new Date();
    const line = byId("connection");
    line.hidden = !lost;
    line.textContent = lost
      ? `Not connected since ${lostAt.toLocaleTimeString()}: what you see may be old. Trying again.` : "";
    document.body.toggleAttribute("data-lost", Boolean(lost));
  }
  function connect() {
    close();
    const query = new URLSearchParams({ page: page.page, seen: page.seen, build: page.build });
    source = new EventSource(`/live?${query}`);
    heard = Date.now();
    source.addEventListener("alive", () => { heard = Date.now(); connection(false); });
    source.addEventListener("renew", () => location.reload());
    source.addEventListener("message", (event) => { heard = Date.now(); connection(false); update(event); });
    source.addEventListener("error", () => {
      connection(true);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, AGAIN_MS);
    });
  }
  function close() {
    clearTimeout(again);
    source?.close();
    source = undefined;
  }

  setInterval(showTimes, 1000);
  showTimes();
  if (!page.page) return;
  connect();
  setInterval(() => { if (source && Date.now() - heard > SILENCE_MAX_MS) { connection(true); connect(); } }, 5000);
  // The tabs that were looked at last stay connected; the others come back when they are looked at again.
  const tabs = "BroadcastChannel" in window && new BroadcastChannel("barq-tabs");
  const self = Math.random(), newer = new Set();
  if (tabs) tabs.onmessage = ({ data }) => { if (document.hidden && newer.add(data).size >= OPEN_TABS_MAX) close(); };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    newer.clear();
    tabs && tabs.postMessage(self);
    if (!source) connect();
  });
})();
