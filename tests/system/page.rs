//! The page in a real browser, with real clicks and key presses, against the real binary.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::browser::{Browser, ENTER, RIGHT, Running, TAB};

async fn open_page(service: &Running) -> Browser {
    Browser::open(service.url()).await
}

/// The displayed digits, without the separators of their groups.
async fn digits(browser: &Browser) -> String {
    browser.text("#digits").await.split_whitespace().collect()
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_number_streams_to_the_end() {
    let service = Running::service(&[]);
    let browser = open_page(&service).await;
    browser.fill("#n", "20").await;
    browser.click("#compute").await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "2432902008176640000");
    assert_eq!(browser.text("#fact-digits").await, "19");
    assert_eq!(browser.text("#fact-zeros").await, "4");
    assert!(browser.is_enabled("#copy").await);

    browser.click("a[href='#n=1000000']").await;
    browser
        .until("document.querySelector('#fact-digits').innerText === '5,565,709'")
        .await;
    browser.number_is("done").await;
    let shown = digits(&browser).await;
    assert!(shown.starts_with("82639316883312400623"), "{shown}");
    assert!(shown.ends_with("and249,998zeros"), "{shown}");
    assert!(shown.len() < 10_000, "the page has {}", shown.len());
    browser.close(false).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_address_restores_the_view() {
    let service = Running::service(&[]);
    let browser = open_page(&service).await;
    for (fields, shown, notation) in [
        ("n=10&kind=multi:4", "120", "10!!!!"),
        ("n=10&kind=subfactorial", "1334961", "!10"),
        (
            "n=10&kind=hyperfactorial",
            "215779412229418562091680268288000000000000000",
            "H(10)",
        ),
        (
            "n=1000000000000&format=scientific:10",
            "1.403661160×1011,565,705,518,103",
            "1,000,000,000,000!",
        ),
    ] {
        let url = format!("{}/#{fields}", service.url());
        browser.go_to("about:blank").await;
        browser.go_to(&url).await;
        browser.number_is("done").await;
        assert_eq!(digits(&browser).await, shown, "{fields}");
        assert_eq!(browser.text("#notation").await, notation);
    }
    browser.go_to(service.url()).await;
    browser.click("#kind option[value='double']").await;
    browser.fill("#n", "1 0").await;
    browser.click("#compute").await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "3840");
    let url = browser.url().await;
    assert!(url.ends_with("/#n=10&kind=double"), "{url}");
    browser.close(false).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_shows_the_problem_of_the_service() {
    let service = Running::service(&["--output", "1MiB"]);
    let browser = open_page(&service).await;
    for (n, words) in [("twenty", "twenty"), ("1000000", "output of a job")] {
        browser.fill("#n", n).await;
        browser.click("#compute").await;
        browser
            .until("!document.querySelector('#problem').hidden")
            .await;
        browser.number_is("failed").await;
        let problem = browser.text("#problem").await;
        assert!(problem.contains(words), "{problem}");
        assert!(!problem.contains("--"), "a visitor has no flags: {problem}");
        assert_eq!(browser.text("#state").await, "failed");
        assert!(!browser.is_enabled("#copy").await);
    }
    // A later success clears the problem.
    browser.fill("#n", "5").await;
    browser.press(ENTER).await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "120");
    browser
        .until("document.querySelector('#problem').hidden")
        .await;
    browser.close(true).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_stopped_or_cut_number_is_marked_incomplete() {
    let mut service = Running::service(&["--deadline", "2m"]);
    let browser = open_page(&service).await;
    // Far slower than the output, so that most of it is still in transit.
    let slow = json!({ "offline": false, "latency": 0, "downloadThroughput": 500_000, "uploadThroughput": -1 });
    browser.devtools("Network.enable", &json!({})).await;
    browser
        .devtools("Network.emulateNetworkConditions", &slow)
        .await;
    browser.fill("#n", "5000000").await;
    browser.click("#compute").await;
    browser.number_is("streaming").await;
    browser.click("#stop").await;
    browser.number_is("stopped").await;
    assert!(browser.text("#state").await.contains("incomplete"));
    assert!(!browser.is_enabled("#copy").await);

    browser.click("#compute").await;
    browser.number_is("streaming").await;
    service.cut();
    browser.number_is("failed").await;
    let problem = browser.text("#problem").await;
    assert!(problem.contains("incomplete"), "{problem}");
    assert!(!browser.is_enabled("#download").await);

    browser.fill("#n", "20").await;
    browser.click("#compute").await;
    browser
        .until("document.querySelector('#problem').innerText.includes('did not answer')")
        .await;
    browser.number_is("failed").await;
    assert_eq!(digits(&browser).await, "");
    browser.close(true).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn each_sandbox_has_its_bar() {
    let service = Running::service(&[]);
    let browser = open_page(&service).await;
    let done =
        |count| format!("document.querySelectorAll('#bars [data-state=done]').length === {count}");
    browser.click("#start-bars").await;
    browser.until(&done(10)).await;
    browser
        .until("document.querySelector('#bars-state').innerText.startsWith('10 of 10 done')")
        .await;
    let label = browser.attribute("#bar-10", "aria-label").await;
    assert!(
        label.starts_with("10! = 3628800, 7 digits, done in "),
        "{label}"
    );

    // Moves from the bar of 1! to that of 7!, and then to its digits.
    browser.run("document.querySelector('#bars').focus()").await;
    browser.press(&RIGHT.repeat(6)).await;
    assert!(browser.text("#readout").await.starts_with("7! = 5040"));
    let chosen = browser.attribute("#bars", "aria-activedescendant").await;
    assert_eq!(chosen, "bar-7");
    browser.press(ENTER).await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "5040");

    browser.fill("#last", "300").await;
    browser.click("#start-bars").await;
    browser.until(&done(300)).await;
    assert_eq!(browser.text("#count-failed").await, "0");
    browser.fill("#last", "1000").await;
    browser.click("#start-bars").await;
    browser.until(&done(1000)).await;
    browser.close(false).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn charts_show_the_metrics_of_the_service() {
    let service = Running::service(&[]);
    let browser = open_page(&service).await;
    for n in ["20", "21", "22"] {
        browser.fill("#n", n).await;
        browser.click("#compute").await;
        browser.number_is("done").await;
    }
    browser
        .until("[...document.querySelectorAll('#charts svg[role=img]')].every((svg) => /requests a second now \\d|median now \\d|live now \\d/.test(svg.ariaLabel) || /at most [\\d.]+ [µm]?s/.test(svg.ariaLabel))")
        .await;
    browser.click("summary").await;
    browser
        .until("document.querySelectorAll('#rows tr').length >= 2")
        .await;
    assert!(browser.text("#build").await.starts_with("Cocoon "));
    assert!(browser.text("#house").await.contains("resident"));
    browser.click("#pause").await;
    assert_eq!(browser.text("#pause").await, "Resume");
    browser.close(false).await;
}

/// Finds text with less contrast than WCAG level AA requires.
const FAINT: &str = r"
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        const color = channels(getComputedStyle(element).backgroundColor);
        return color.length === 4 && color[3] === 0 && element.parentElement ? ground(element.parentElement) : color;
    };
    return [...document.body.querySelectorAll('*')].filter((element) => {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!own || element.disabled || !element.checkVisibility() || element.closest('select')) return false;
        const [a, b] = [channels(getComputedStyle(element).color), ground(element)].map(light);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    }).map((element) => element.outerHTML)";

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_is_readable_in_light_dark_and_narrow() {
    let service = Running::service(&[]);
    let browser = Browser::open(&format!("{}/#n=1000", service.url())).await;
    browser.number_is("done").await;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.devtools("Emulation.setEmulatedMedia", &media).await;
        assert_eq!(browser.run(FAINT).await, json!([]), "{scheme}");
        grounds.push(browser.style("body", "background-color").await);
    }
    assert_ne!(grounds[0], grounds[1]);
    let narrow = json!({ "width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    browser
        .devtools("Emulation.setDeviceMetricsOverride", &narrow)
        .await;
    browser.fill("#last", "300").await;
    browser.click("#start-bars").await;
    browser
        .until("document.querySelector('#count-done').innerText === '300'")
        .await;
    let over = browser
        .run("const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth")
        .await;
    assert_eq!(over, 0, "pixels to scroll aside");
    let width = browser.width("#bar-300").await;
    assert!(width > 2.0, "{width}");
    browser.close(false).await;
}

/// Describes the focused element, if its focus is visible and it has an accessible name.
const FOCUSED: &str = "
    const { activeElement: it } = document;
    const style = getComputedStyle(it);
    const name = it.ariaLabel ?? it.labels?.[0]?.innerText ?? it.innerText;
    const seen = style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2;
    return seen && name ? it.id || it.getAttribute('href') || it.localName : `${it.outerHTML} shows no focus`";

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_keyboard_reaches_every_control_in_order() {
    let service = Running::service(&[]);
    let browser = open_page(&service).await;
    let mut order = Vec::new();
    for _ in 0..19 {
        browser.press(TAB).await;
        order.push(browser.run(FOCUSED).await);
    }
    let expected = [
        "#main",
        "#n=20",
        "#n=1000",
        "#n=100000",
        "#n=1000000",
        "#n=1000000000000&format=scientific:50",
        "n",
        "kind",
        "format",
        "compute",
        "last",
        "start-bars",
        "bars",
        "pause",
        "summary",
        "openapi.json",
        "metrics",
    ];
    assert_eq!(order[..expected.len()], expected);
    browser.close(false).await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn the_page_asks_for_the_token_of_the_service() {
    const SECRET: &str = "one-token-of-many-bytes";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, SECRET).expect("written");
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, owner_only).expect("permissions");
    let service = Running::service(&["--token-file", file.to_str().expect("UTF-8")]);
    let browser = open_page(&service).await;
    let asks = "document.querySelector('#token-dialog').open";
    browser.until(asks).await;
    // After a wrong token the page asks again and gives the reason.
    browser.fill("#token", "another-token-of-many-bytes").await;
    browser.press(ENTER).await;
    browser
        .until(&format!(
            "{asks} && document.querySelector('#token').value === ''"
        ))
        .await;
    let detail = browser.text("#token-detail").await;
    assert!(detail.contains("token"), "{detail}");
    browser.fill("#token", SECRET).await;
    browser.click("#use-token").await;
    browser.until(&format!("!{asks}")).await;
    browser.fill("#n", "20").await;
    browser.click("#compute").await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "2432902008176640000");
    // The token is stored for the tab, and nowhere more permanent.
    browser.go_to(service.url()).await;
    browser.fill("#n", "5").await;
    browser.click("#compute").await;
    browser.number_is("done").await;
    assert_eq!(digits(&browser).await, "120");
    let kept = "return [sessionStorage.length, localStorage.length, document.cookie]";
    assert_eq!(browser.run(kept).await, json!([1, 0, ""]));
    browser.close(true).await;
}
