// What pages gain by script; each works without. A page is cleared when its session ends, what was typed can be shown, and a
// new passphrase's strength is told by the server, which reads it anyway: nothing is kept in the browser.
"use strict";

// What is being typed goes too: a page with more than a line to type has to keep drafts first (S19).
function clear({ ended, again }) {
  const [told, link, place] = ["p", "a", "main"].map((name) => document.createElement(name));
  told.textContent = ended;
  link.textContent = again;
  link.href = location.href;
  place.append(told, link);
  document.body.replaceChildren(place);
  document.title = "Vaka";
}

const { endsS, ...texts } = document.body.dataset;
if (endsS) {
  const end = Date.now() + Number(endsS) * 1000;
  const look = () => Date.now() >= end && document.title !== "Vaka" && clear(texts);
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look); // a computer that slept
}

for (const field of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "second show";
  const hide = (hidden) => {
    field.type = hidden ? "password" : "text";
    button.textContent = hidden ? texts.show : texts.hide;
  };
  hide(true);
  button.addEventListener("click", () => hide(field.type === "text"));
  field.form.addEventListener("submit", () => hide(true));
  field.after(button);
}

const strength = document.getElementById("strength");
if (strength) {
  const { passphrase, csrf, sealed } = strength.closest("form").elements;
  const [meter, told] = [strength.querySelector("meter"), strength.querySelector("[role=status]")];
  const ask = async () => {
    const typed = passphrase.value;
    const answer = typed && (await fetch("/login/strength", {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf.value }, credentials: "same-origin",
      body: JSON.stringify({ passphrase: typed, sealed: sealed ? sealed.value : "" }),
    }).catch(() => null));
    if (passphrase.value !== typed) return; // asked again meanwhile
    strength.hidden = !(answer && answer.ok);
    if (strength.hidden) return;
    meter.value = (await answer.json()).share;
    told.textContent = meter.value < 1 ? strength.dataset.easy : strength.dataset.good;
  };
  let waiting;
  passphrase.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 500);
  });
}
