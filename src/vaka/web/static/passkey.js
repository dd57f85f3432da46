// Passkeys: the one thing on these pages that a browser cannot do without script.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function ask(address, csrf, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

async function login({ csrf, challenge, site }, form) {
  delete form.dataset.challenge; // it works once: another try asks for another
  const given = challenge || (await ask("/login/passkey/challenge", csrf, {})).challenge;
  const options = { challenge: bytes(given), userVerification: "required" };
  if (site) options.rpId = site;
  const made = await navigator.credentials.get({ publicKey: options });
  const r = made.response;
  return ask("/login/passkey", csrf, {
    id: made.id, rawId: text(made.rawId), type: made.type,
    response: {
      clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData), signature: text(r.signature),
      userHandle: r.userHandle ? text(r.userHandle) : null,
    },
  });
}

async function register({ csrf }) {
  const options = await ask("/login/passkeys/options", csrf, {});
  options.challenge = bytes(options.challenge);
  options.user.id = bytes(options.user.id);
  for (const known of options.excludeCredentials || []) known.id = bytes(known.id);
  const made = await navigator.credentials.create({ publicKey: options });
  return ask("/login/passkeys", csrf, {
    id: made.id, rawId: text(made.rawId), type: made.type,
    response: { clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject) },
  });
}

for (const [id, act] of [["passkey", login], ["passkey-new", register]]) {
  const form = document.getElementById(id);
  if (!form || !window.PublicKeyCredential) continue;
  const button = form.querySelector("button");
  const told = form.querySelector("[role=status]");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "";
    try {
      location.assign((await act({ ...form.dataset }, form)).next);
    } catch (error) {
      told.textContent = told.dataset.failed;
      button.disabled = false;
    }
  });
}
