/* Journeys API: reports what visitors of a website do. */
(function (w, d) {
  "use strict";
  var tag = d.currentScript || d.querySelector("script[data-key]");
  if (!tag || (w.oct && w.oct.eventP)) return;
  var key = tag.getAttribute("data-key");
  var door = tag.src.replace(/tracker\.js.*$/, "e");
  var YEAR = 365, MONTH = 30, MOST = 20, TRIES = 4;
  var queue = [], timer = 0;

  function uuid() {
    var c = w.crypto;
    if (c.randomUUID) return c.randomUUID();
    return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, function (n) {
      return (n ^ (c.getRandomValues(new Uint8Array(1))[0] & (15 >> (n / 4)))).toString(16);
    });
  }
  function cookie(name, value, days) {
    if (value === undefined) {
      var found = d.cookie.match("(?:^|; )" + name + "=([^;]*)");
      return found ? decodeURIComponent(found[1]) : "";
    }
    var secure = w.location.protocol === "https:" ? "; Secure" : "";
    d.cookie = name + "=" + encodeURIComponent(value) + "; Max-Age=" + days * 86400 + "; Path=/; SameSite=Lax" + secure;
    return value;
  }
  function copy(into, from) {
    for (var name in from || {}) into[name] = from[name];
    return into;
  }

  var visitor = cookie("octethUUID"), mark = cookie("oempro_pr");
  var given = w.location.search.match(/[?&]pr=([\w-]+)/);
  if (given && given[1] !== mark) {
    /* another message: perhaps somebody else */
    if (mark) visitor = "";
    mark = given[1];
    cookie("oempro_pr", mark, MONTH);
  }
  visitor = cookie("octethUUID", visitor || uuid(), YEAR);

  function send(body, left) {
    /* all that outlives the page has little room */
    var keep = left === TRIES && body.length < 2e4;
    w.fetch(door, { method: "POST", body: body, keepalive: keep, credentials: "omit" }).then(
      function (answer) {
        if (answer.status === 429 || answer.status >= 500) again(body, left);
      },
      function () {
        again(body, left);
      }
    );
  }
  function again(body, left) {
    /* what arrives twice is one, by its id */
    if (left > 1) w.setTimeout(send, 2000 * (TRIES + 1 - left), body, left - 1);
  }
  function flush(leaving) {
    w.clearTimeout(timer);
    timer = 0;
    while (queue.length) {
      var first = queue[0], events = [], size = 0;
      while (queue[0] && events.length < MOST && queue[0].identity === first.identity) {
        size += JSON.stringify(queue[0]).length;
        if (size > 16e3 && events[0]) break;
        events.push(queue.shift().event);
      }
      var body = JSON.stringify(copy({ key: key, uuid: visitor, pr: mark, events: events }, first.identity));
      if (!(leaving && w.navigator.sendBeacon && w.navigator.sendBeacon(door, body))) send(body, TRIES);
    }
  }
  function report(name, properties, identity) {
    var own = {
      $current_url: w.location.href,
      $pageTitle: d.title,
      $pathname: w.location.pathname,
      $host: w.location.host,
      $referrer: d.referrer,
      $browser_language: w.navigator.language,
      $screen_width: w.screen.width,
      $screen_height: w.screen.height,
      $sent_at: new Date().toISOString(),
      $lib: "oct"
    };
    queue.push({ event: { id: uuid(), event: name, properties: copy(own, properties) }, identity: identity });
    if (!timer) timer = w.setTimeout(flush, 50);
  }

  w.oct = {
    uuid: visitor,
    eventP: function (url, properties) {
      report("page_view", copy(url ? { $current_url: url } : {}, properties));
    },
    eventI: function (email, properties, _, signature) {
      report("identify", properties, { email: email, signature: signature });
    },
    eventT: function (name, properties) {
      report(name, properties);
    },
    eventC: function (id, name, value, properties) {
      report("conversion", copy({ "conversion-id": id, "conversion-name": name, "conversion-value": value }, properties));
    }
  };
  d.addEventListener("visibilitychange", function () {
    if (d.visibilityState === "hidden") flush(true);
  });
  w.addEventListener("pagehide", function () {
    flush(true);
  });
  w.oct.eventP();
})(window, document);
