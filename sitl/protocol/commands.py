"""Commands (COMMAND_LONG, COMMAND_INT), modes, parameters and the small protocols around them."""

from collections.abc import Callable
from typing import Any

from sitl.autopilot.copter import Copter
from sitl.autopilot.place import Place
from sitl.autopilot.state import CommandResult, Mode
from sitl.protocol.peer import Peer, mavlink
from sitl.protocol.telemetry import AUTOPILOT_VERSION, Telemetry, message_of

__all__ = ["CommandServer", "ParameterServer"]

_ACCEPTED, _DENIED, _UNSUPPORTED, _FAILED = (
    CommandResult.ACCEPTED,
    CommandResult.DENIED,
    CommandResult.UNSUPPORTED,
    CommandResult.FAILED,
)
_FORCE = 21196


class CommandServer:
    """Runs commands on the copter and acknowledges them."""

    def __init__(self, peer: Peer, telemetry: Telemetry, reboot: Callable[[], None]) -> None:
        self._peer, self._copter, self._telemetry, self._reboot = peer, peer.copter, telemetry, reboot

    def command_long(self, message: Any) -> None:
        """COMMAND_LONG: places come as degrees in parameters 5 and 6."""
        parameters = tuple(getattr(message, f"param{n}") for n in range(1, 8))
        self._run(message, parameters, relative=True)

    def command_int(self, message: Any) -> None:
        """COMMAND_INT: places come as integers, heights in a frame."""
        p = (message.param1, message.param2, message.param3, message.param4)
        placed = message.command in (192, 179, 195, 201)
        x, y = (message.x / 1e7, message.y / 1e7) if placed else (float(message.x), float(message.y))
        self._run(message, (*p, x, y, message.z), relative=message.frame in (3, 6))

    def set_mode(self, message: Any) -> None:
        """SET_MODE: acknowledged as command 11."""
        self._ack(message, 11, self._set_mode(int(message.custom_mode)))

    def _run(self, message: Any, p: tuple[float, ...], relative: bool) -> None:
        result = self._result(message.command, p, relative)
        self._ack(message, message.command, result)
        if message.command == 246 and result is _ACCEPTED:
            self._reboot()

    def _ack(self, message: Any, command: int, result: CommandResult) -> None:
        self._peer.send(
            mavlink.MAVLink_command_ack_message(
                command, int(result), 0, 0, message.get_srcSystem(), message.get_srcComponent()
            )
        )

    def _result(self, command: int, p: tuple[float, ...], relative: bool) -> CommandResult:
        copter, shutter = self._copter, self._copter.shutter
        match command:
            case 400:
                force = p[1] == _FORCE
                return copter.arm(force) if p[0] == 1 else copter.disarm(force)
            case 300:
                return copter.start_mission()
            case 176:
                return self._set_mode(int(p[1]))
            case 22:
                return copter.take_off(p[6])
            case 20:
                return self._set_mode(Mode.RTL)
            case 21:
                return self._set_mode(Mode.LAND)
            case 17:
                return self._set_mode(Mode.LOITER)
            case 192:
                alt = p[6] + (copter.home.alt_amsl_m if relative else 0.0)
                return copter.go_to(Place(p[4], p[5], alt))
            case 178:
                return copter.change_speed(int(p[0]), p[1])
            case 193:
                return copter.pause_mission(p[0] == 0)
            case 179:
                copter.set_home(copter.reported_place if p[0] == 1 else Place(p[4], p[5], p[6]))
                return _ACCEPTED
            case 224:
                return _ACCEPTED if copter.set_current_item(int(p[0])) else _FAILED
            case 206:
                shutter.trigger_by_distance(p[0], now=p[2] == 1)
                return _ACCEPTED
            case 203:
                if p[4] == 1:
                    shutter.shoot()
                return _ACCEPTED
            case 2000:
                shutter.trigger_by_time(p[1], int(p[2]))
                return _ACCEPTED if copter.camera_type else _UNSUPPORTED
            case 2001:
                shutter.stop()
                return _ACCEPTED if copter.camera_type else _UNSUPPORTED
            case 205 | 1000:
                copter.gimbal_pitch_deg = p[0]
                return _ACCEPTED
            case 207:
                copter.parameters.set("FENCE_ENABLE", float(p[0] == 1))
                return _ACCEPTED
            case 246:
                return _FAILED if copter.armed else _ACCEPTED
            case 401:
                for text in _prearm_texts(copter):
                    copter.say(2, text)
                return _ACCEPTED
        return self._messages(command, p)

    def _messages(self, command: int, p: tuple[float, ...]) -> CommandResult:
        number = int(p[0])
        match command:
            case 511:
                known = self._telemetry.set_interval(number, p[1] / 1e6 if p[1] > 0 else p[1])
                return _ACCEPTED if known else _FAILED
            case 510:
                interval = self._telemetry.interval_us(number)
                self._peer.send(mavlink.MAVLink_message_interval_message(number, interval))
                return _ACCEPTED
            case 512 | 520:
                message = message_of(AUTOPILOT_VERSION if command == 520 else number, self._copter)
                if message is None:
                    return _FAILED
                self._peer.send(message)
                return _ACCEPTED
            case 410:
                home = message_of(242, self._copter) if self._copter.home_is_set else None
                if home is None:
                    return _FAILED
                self._peer.send(home)
                return _ACCEPTED
            case 519:
                return _ACCEPTED
        return _UNSUPPORTED

    def _set_mode(self, number: int) -> CommandResult:
        if number not in set(Mode):
            return _FAILED
        return _ACCEPTED if self._copter.set_mode(Mode(number)) else _FAILED


def _prearm_texts(copter: Copter) -> list[str]:
    from sitl.autopilot.arming import prearm_refusals

    return [f"PreArm: {text}" for text in prearm_refusals(copter)]


class ParameterServer:
    """The parameter protocol: read one, read all, set."""

    _BATCH = 20  # parameters of a full list that are sent per tick

    def __init__(self, peer: Peer, changed: Callable[[str, float], None]) -> None:
        self._peer, self._parameters, self._changed = peer, peer.copter.parameters, changed
        self._listing: int | None = None

    def param_request_list(self, message: Any) -> None:
        """Start to send every parameter."""
        self._listing = 0

    def param_request_read(self, message: Any) -> None:
        """Send one parameter by name or index; an unknown one gets no answer."""
        if message.param_index >= 0:
            parameter = self._parameters.at(message.param_index)
        else:
            parameter = self._parameters.get(_name(message.param_id))
        if parameter is not None:
            self._send(parameter.name)

    def param_set(self, message: Any) -> None:
        """Set a known parameter and report it."""
        name = _name(message.param_id)
        if name in self._parameters and message.param_value == message.param_value:
            self._parameters.set(name, message.param_value)
            self._changed(name, self._parameters[name])
            self._send(name)

    def tick(self) -> None:
        """Go on with a list."""
        if self._listing is None:
            return
        for index in range(self._listing, min(self._listing + self._BATCH, len(self._parameters))):
            parameter = self._parameters.at(index)
            assert parameter is not None
            self._send(parameter.name, index)
        self._listing += self._BATCH
        if self._listing >= len(self._parameters):
            self._listing = None

    def _send(self, name: str, index: int = 0xFFFF) -> None:
        parameter = self._parameters.get(name)
        assert parameter is not None
        self._peer.send(
            mavlink.MAVLink_param_value_message(
                name.encode(), parameter.value, parameter.kind, len(self._parameters), index
            )
        )


def _name(field: str | bytes) -> str:
    return (field.decode(errors="replace") if isinstance(field, bytes) else field).rstrip("\0")
