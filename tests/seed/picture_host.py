"""An HTTPS server that stands for a host of the internet, and the certificates that prove it."""
import http.server
import ssl
import subprocess
import threading


def make_certificates(folder, name):
    """Files of an authority's certificate, and of a key and certificate that it signed for name."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-days", "2",
            "-subj", "/CN=authority of a test")
    openssl("req", *key, "-keyout", "host.key", "-out", "host.request", "-subj", "/CN=host of a test")
    (folder / "host.extensions").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", "host.request", "-CA", "authority.pem", "-CAkey", "authority.key",
            "-CAcreateserial", "-days", "2", "-extfile", "host.extensions", "-out", "host.pem")
    return folder / "authority.pem", folder / "host.key", folder / "host.pem"


class PictureHost:
    """Serves one file at one path, and remembers which paths were asked for."""

    def __init__(self, address, path, picture, key, certificate):
        host = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.asked.append((self.headers["Host"], self.path))
                found = self.path == path
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(picture if found else b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 443), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
