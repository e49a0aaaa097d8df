"""Python hooks: `python: module:function`, the way out for what YAML should not say.

A hook is a function of a `.py` file in the channels' folder; it is called with a `HookMessage` and changes
that. Loading executes the site's own file. Named mistakes: no such file or function, a syntax error, a fault
while loading.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

from hl7bridge.channel.written.mistake import Mistakes, Place, meant
from hl7bridge.hl7.escape import escape, unescape
from hl7bridge.hl7.message import Message
from hl7bridge.hl7.path import Path


class HookMessage:
    """A message as a hook sees it: texts by path, escapes and character set looked after."""

    __slots__ = ("message",)

    def __init__(self, message: Message) -> None:
        self.message = message

    def get(self, path: str) -> str:
        """The first text that a path means; '' if there is none. A whole field is HL7 text with its
        delimiters.
        """
        parsed = Path.parse(path)
        return self._text(parsed.get(self.message), parsed)

    def all(self, path: str) -> list[str]:
        """Every text that a path means."""
        parsed = Path.parse(path)
        return [self._text(value, parsed) for value in parsed.get_all(self.message)]

    def set(self, path: str, text: str) -> None:
        """Writes a text to the first place that a path means; a whole field takes HL7 text with its
        delimiters.
        """
        parsed = Path.parse(path)
        raw = self.message.charset.encode(text)
        parsed.set(
            self.message, escape(raw, self.message.delimiters) if parsed.component is not None else raw
        )

    def remove(self, path: str) -> None:
        """Removes all that a path means."""
        Path.parse(path).delete(self.message)

    def parsed(self) -> Any:
        """The message as python-hl7 reads it, to look at; changes to it go nowhere."""
        import hl7  # slow beside everything else here, so only for hooks that ask

        return hl7.parse(self.message.emit().decode(self.message.charset.codec, "replace"))

    def _text(self, raw: bytes, path: Path) -> str:
        value = raw if path.component is None else unescape(raw, self.message.delimiters)
        return self.message.charset.decode(value)


class Hooks:
    """The Python files of a folder, each executed once when it is first named."""

    def __init__(self, files: Mapping[str, bytes], mistakes: Mistakes) -> None:
        self._files = {path: data for path, data in files.items() if path.endswith(".py")}
        self._mistakes = mistakes
        self._modules: dict[str, types.ModuleType | None] = {}

    def find(self, name: str) -> Callable[[Any], object] | str:
        """The function that `module:function` names, or what is wrong with it."""
        module_name, colon, function_name = name.partition(":")
        if not colon or not function_name.isidentifier() or not module_name:
            return f"'{name}' does not name a function"
        path = module_name.replace(".", "/") + ".py"
        if path not in self._files:
            known = [each.removesuffix(".py").replace("/", ".") for each in self._files]
            return f"there is no file {path} in this folder; " + meant(
                module_name, known, "write it beside the channel"
            )
        module = self._module(path, module_name)
        if module is None:
            return f"{path} cannot be used; its own mistake is named there"
        function = getattr(module, function_name, None)
        if not callable(function):
            known = [
                each for each, value in vars(module).items() if callable(value) and not each.startswith("_")
            ]
            return f"{path} has no function {function_name}; " + meant(
                function_name, known, "define it there"
            )
        return function  # type: ignore[no-any-return]

    def _module(self, path: str, name: str) -> types.ModuleType | None:
        if path not in self._modules:
            self._modules[path] = self._load(path, name)
        return self._modules[path]

    def _load(self, path: str, name: str) -> types.ModuleType | None:
        module = types.ModuleType(name)
        module.__file__ = path
        try:
            exec(compile(self._files[path], path, "exec"), module.__dict__)
        except SyntaxError as fault:
            self._mistakes.add(
                Place(path, fault.lineno or 1, fault.offset or 1),
                f"this is not Python: {fault.msg}",
                "mend the line",
            )
        except (Exception, SystemExit) as fault:
            line = 1
            trace = fault.__traceback__
            while trace is not None:
                line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == path else line
                trace = trace.tb_next
            what = f"the file fails while it loads: {type(fault).__name__}: {fault}"
            self._mistakes.add(Place(path, line, 1), what, "a hook's file only defines functions")
        else:
            return module
        return None
