// The pages work without this script. It only spares the person some waiting and typing.
(() => {
  "use strict";

  const code = document.getElementById("code");
  if (code) {
    const complete = () => code.value.length === code.maxLength;
    code.addEventListener("input", () => {
      // Keyboards for Chinese and Japanese may give full-width digits.
      code.value = code.value.normalize("NFKC").replace(/\D/g, "");
      if (complete()) code.form.requestSubmit();
    });
    code.addEventListener("paste", (event) => {
      // A pasted "123 456" would be cut by maxlength before anybody sees it.
      const digits = event.clipboardData.getData("text").normalize("NFKC").replace(/\D/g, "");
      event.preventDefault();
      code.value = digits.slice(0, code.maxLength);
      if (complete()) code.form.requestSubmit();
    });
    if ("OTPCredential" in window) {
      const wait = new AbortController();
      code.form.addEventListener("submit", () => wait.abort());
      navigator.credentials
        .get({ otp: { transport: ["sms"] }, signal: wait.signal })
        .then((otp) => {
          code.value = otp.code;
          code.form.requestSubmit();
        })
        .catch(() => {});
    }
  }

  // One press, one request.
  for (const form of document.querySelectorAll('form[method="post"]')) {
    form.addEventListener("submit", (event) => {
      if (form.ariaBusy === "true") event.preventDefault();
      form.ariaBusy = "true";
    });
  }
  // The browser may bring a left page back as it was.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form")) form.ariaBusy = null;
  });

  const resend = document.querySelector("button[data-wait]");
  if (resend) {
    const ready = resend.textContent;
    const readyAt = performance.now() + Number(resend.dataset.wait) * 1000;
    const tick = () => {
      const left = Math.ceil((readyAt - performance.now()) / 1000);
      resend.disabled = left > 0;
      resend.textContent = left > 0 ? resend.dataset.waiting.replace("{}", left) : ready;
      if (left > 0) setTimeout(tick, 250);
    };
    tick();
  }
})();
