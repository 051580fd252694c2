const answer = document.getElementById("answer");
const question = document.getElementById("question");

const shown = {
  ready: ({ name }) => `${name} is ready.\n`,
  text: ({ text }) => text,
  end: () => "\n\n",
  error: ({ code, message }) => `\n${code ?? "error"}: ${message}\n`,
  exit: ({ code }) => `\nThe model's process ended (${code}).\n`,
};

window.punie.onMessage((message) => {
  if (message.type === "ready") answer.textContent = "";
  answer.append(shown[message.type](message));
});
document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  answer.append(`> ${question.value}\n`);
  window.punie.ask(question.value);
  question.value = "";
});
document.getElementById("stop").addEventListener("click", () => window.punie.stop());
