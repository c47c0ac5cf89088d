//! Writes a page for every extreme that the report must bear into a folder: `report_extremes FOLDER`.
//! `ci/report-page` loads them in a browser.

#[path = "../tests/made_up/mod.rs"]
mod made_up;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for (name, record) in made_up::all() {
        let path = folder.join(format!("{name}.html"));
        arenite_demo::report::write_page(&path, &record)?;
        println!("{}", path.display());
    }
    Ok(())
}
