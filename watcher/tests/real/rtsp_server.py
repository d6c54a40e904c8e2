"""A real RTSP server (GStreamer's) with a test picture: `/usr/bin/python3 rtsp_server.py [USER PASSWORD]`.

The stream is /h264; with a login if one is given. Writes its port once it listens. It runs in the
system's own Python, which has GStreamer's bindings (Debian: python3-gi, gir1.2-gst-rtsp-server-1.0).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PIPELINE = (
    "( videotestsrc is-live=true ! video/x-raw,width=640,height=480,framerate=15/1 "
    "! x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 pt=96 )"
)


def main(login: list[str]) -> None:
    """Serve for ever."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if login:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login), token)
        server.set_auth(auth)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    if login:
        role = Gst.Structure.new_empty("viewer")
        for permission in ("media.factory.access", "media.factory.construct"):
            role.set_value(permission, True)
        factory.add_role_from_structure(role)
    server.get_mount_points().add_factory("/h264", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(sys.argv[1:])
