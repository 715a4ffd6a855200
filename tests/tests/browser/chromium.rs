//! A headless Chromium of one test's own: its profile is new and empty, and it ends with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests_support::PATIENCE;
use tests_support::app::TestApp;
use tests_support::http::Request;

/// Where every browser finds the app, whatever port it listens on. Browsers trust it as they trust
/// an https origin.
pub(crate) const ORIGIN: &str = "http://localhost";

/// The key, as WebDriver spells it.
pub(crate) const ENTER: &str = "\u{E007}";

/// How a browser differs from the next one.
pub(crate) struct Settings {
    pub(crate) language: &'static str,
    pub(crate) javascript: bool,
    /// Width and height of the viewport in CSS pixels.
    pub(crate) viewport: (u32, u32),
}

/// A phone of somebody who reads English.
pub(crate) const PHONE: Settings = Settings {
    language: "en",
    javascript: true,
    viewport: (390, 844),
};

pub(crate) struct Browser {
    client: Client,
    _driver: Driver,
    _profile: TempDir,
}

/// A chromedriver process. Dropping it ends every browser that it started.
struct Driver {
    process: Child,
    address: SocketAddr,
}

impl Browser {
    /// A browser that finds this app at [`ORIGIN`].
    pub(crate) async fn start(app: &TestApp, settings: Settings) -> Self {
        let profile = tempfile::tempdir().expect("a directory for the browser's profile");
        let driver = Driver::start();
        let options = json!({
            "browserName": "chrome",
            "goog:chromeOptions": chrome_options(app, &settings, &profile),
        });
        let Value::Object(capabilities) = options else {
            unreachable!("an object, as written")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", driver.address))
            .await
            .expect("chromedriver starts Chromium");
        if !settings.javascript {
            driver.disable_scripts(&client).await;
        }
        Self {
            client,
            _driver: driver,
            _profile: profile,
        }
    }

    /// Opens a page of the app.
    pub(crate) async fn open(&self, path: &str) {
        self.client
            .goto(&format!("{ORIGIN}{path}"))
            .await
            .expect("the page opens");
    }

    /// Waits until an element is there.
    pub(crate) async fn see(&self, css: &str) -> Element {
        let found = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(css))
            .await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("{css} does not appear: {error}\n{}", self.describe().await),
        }
    }

    /// Waits until this is the page's address.
    pub(crate) async fn arrive_at(&self, path: &str) {
        let address = format!("{ORIGIN}{path}").parse().expect("an address");
        let arrived = self.client.wait().at_most(PATIENCE).for_url(&address).await;
        if let Err(error) = arrived {
            panic!("not at {path}: {error}\n{}", self.describe().await);
        }
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.see(css)
            .await
            .text()
            .await
            .expect("the element's text")
    }

    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        self.see(css)
            .await
            .send_keys(text)
            .await
            .expect("the field takes keys");
    }

    /// Types where the focus is, as a person does who touches nothing else.
    pub(crate) async fn type_into_focus(&self, text: &str) {
        let focused = self
            .client
            .active_element()
            .await
            .expect("something has the focus");
        focused.send_keys(text).await.expect("it takes keys");
    }

    /// Presses a button with the keyboard. The driver's click waits for a script.
    pub(crate) async fn press(&self, css: &str) {
        self.type_into(css, ENTER).await;
    }

    pub(crate) async fn click(&self, css: &str) {
        self.see(css)
            .await
            .click()
            .await
            .expect("the element takes a click");
    }

    /// What a script gives back.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client
            .execute(script, Vec::new())
            .await
            .expect("the script runs")
    }

    async fn describe(&self) -> String {
        let url = self.client.current_url().await.map(|url| url.to_string());
        format!(
            "at {url:?}:\n{}",
            self.client.source().await.unwrap_or_default()
        )
    }
}

fn chrome_options(app: &TestApp, settings: &Settings, profile: &TempDir) -> Value {
    let (width, height) = settings.viewport;
    json!({
        "binary": find(&["chromium", "chromium-browser", "google-chrome"]),
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage",
            format!("--user-data-dir={}", profile.path().display()),
            format!("--host-resolver-rules=MAP localhost:80 {}", app.address()),
        ],
        "prefs": { "intl.accept_languages": settings.language },
        "mobileEmulation": {
            "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.0, "mobile": width < 600 },
        },
    })
}

/// The first of these programs on the PATH. A test that cannot run fails: it says nothing otherwise.
fn find(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = names
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |dir| dir.join(name)));
    let found = candidates.into_iter().find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{} is missing: apt-get install --no-install-recommends chromium chromium-driver",
            names[0]
        )
    })
}

impl Driver {
    /// Starts one on a free port. It takes the port on IPv6 and then the same one on IPv4, where
    /// another test may have it: then it gives up, and the next one tries another.
    fn start() -> Self {
        let mut told = String::new();
        for _ in 0..10 {
            match Self::try_start() {
                Ok(driver) => return driver,
                Err(output) => told = output,
            }
        }
        panic!("chromedriver does not start: {told}");
    }

    fn try_start() -> Result<Self, String> {
        let mut process = Command::new(find(&["chromedriver"]))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let output = process.stdout.take().expect("its output is piped");
        let mut told = String::new();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port.and_then(|text| text.trim_end_matches('.').parse().ok()) {
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                return Ok(Self { process, address });
            }
            told += &line;
        }
        let _ = process.wait();
        Err(told)
    }

    /// Pages run no scripts from now on. The setting in a profile would stop the driver's own too.
    async fn disable_scripts(&self, client: &Client) {
        let session = client
            .session_id()
            .await
            .expect("the session's id")
            .expect("a session");
        let path = format!("/session/{session}/goog/cdp/execute");
        let command = json!({
            "cmd": "Emulation.setScriptExecutionDisabled",
            "params": { "value": true },
        });
        Request::new(self.address, "POST", &path)
            .json(command)
            .await
            .ok(200);
    }

    /// Asks it to quit its browsers and itself.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET /shutdown HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        stream.read_to_end(&mut Vec::new()).map(|_| ())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.shut_down().is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
