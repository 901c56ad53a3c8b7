"""The Dataset dock: open a dataset, see how far it is, walk through it, save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt.banner import Banner
from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.keys import KEYS
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.listening import ask_calmly, calm_timer, listen
from napari_nucleiseg._qt.memory import recent_datasets
from napari_nucleiseg._qt.name_line import name_line
from napari_nucleiseg._qt.notices import Notices
from napari_nucleiseg._qt.sample_list import SampleList
from napari_nucleiseg._qt.scroll_dock import ScrollDock
from napari_nucleiseg._qt.status_bar import StatusBar
from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.listing import count_statuses
from napari_nucleiseg.session import Session

if TYPE_CHECKING:
    import napari.viewer

WIDTH = 320
_LONGEST_NAME = 32  # letters that fit into the dock


class DatasetDock(ScrollDock):
    """Opens datasets, lists their samples, and says what is saved.

    Parameters
    ----------
    viewer : napari.Viewer
    session : Session, optional
        By default that of the viewer.
    """

    # napari passes the viewer to a parameter with this very annotation.
    def __init__(self, viewer: napari.viewer.Viewer, session: Session | None = None) -> None:
        super().__init__()
        viewer = getattr(viewer, "__wrapped__", viewer)
        self.layers = layers_for(viewer, session)
        self.session = self.layers.session
        self.opening = self.layers.opening
        self.banner = Banner()
        self.list = SampleList(self.layers, lambda: viewer.theme)
        self.bar = StatusBar()
        self.saved = name_line()
        self._counting = calm_timer(self, self._show_counts)
        self._notices = Notices(self.layers, self.opening, self.banner, self)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._welcome_page())
        self._pages.addWidget(self._dataset_page())
        self._arrange()
        self._connect(viewer)
        self._on_dataset_changed(self.session.dataset)
        self._on_opening_changed()
        self._show_saved()

    # --- how it looks

    def _arrange(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addWidget(self.banner)
        column.addWidget(self._pages, 1)
        self.setWidget(inside)
        self.setMinimumWidth(WIDTH - 60)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for a width that leaves room for the image on a small screen."""
        return QSize(WIDTH, 600)

    def _welcome_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setSpacing(8)
        title = QLabel("Open a folder of images, with or without masks, or a zip archive.")
        title.setWordWrap(True)
        column.addWidget(title)
        for text, act in (
            ("Open folder…", self.choose_folder),
            ("Open zip archive…", self.choose_archive),
        ):
            button = QPushButton(text)
            button.clicked.connect(act)
            column.addWidget(button)
        self.progress = QLabel()
        self.progress.setWordWrap(True)
        column.addWidget(self.progress)
        self._recent = QVBoxLayout()
        column.addLayout(self._recent)
        column.addStretch()
        return page

    def _dataset_page(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self._head())
        column.addWidget(self.list, 1)
        column.addWidget(self.bar)
        column.addLayout(self._buttons())
        column.addWidget(self.saved)
        return page

    def _head(self) -> QHBoxLayout:
        self.name = QLabel()
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_button = QPushButton("Open")
        self.open_button.setToolTip("Open another folder, archive or recent dataset")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.open_button.setMenu(self._menu)
        head = QHBoxLayout()
        head.addWidget(self.name, 1)
        head.addWidget(self.open_button)
        return head

    def _buttons(self) -> QGridLayout:
        saving, session = self.layers.saving, self.session
        grid = QGridLayout()
        grid.setSpacing(4)
        self.buttons: dict[str, QPushButton] = {}
        for place, (key, text, act) in enumerate(
            (
                ("Q", "Previous", session.previous_sample),
                ("W", "Next", session.next_sample),
                ("S", "Save", saving.save),
                ("A", "Approve", saving.approve),
            )
        ):
            button = KeyButton(text, key, KEYS[key].capitalize())
            button.clicked.connect(lambda _=False, act=act: act())
            self.buttons[key] = button
            grid.addWidget(button, *divmod(place, 2))
        return grid

    # --- what a person does

    def choose_folder(self) -> None:
        """Ask for a folder and open it."""
        chosen = QFileDialog.getExistingDirectory(self, "Open a dataset")
        if chosen:
            self.opening.open(Path(chosen))

    def choose_archive(self) -> None:
        """Ask for a zip archive and open it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self, "Open an archive", filter="Zip archives (*.zip)"
        )
        if chosen:
            self.opening.open(Path(chosen))

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction("Folder…", self.choose_folder)
        self._menu.addAction("Zip archive…", self.choose_archive)
        recent = recent_datasets()
        if recent:
            self._menu.addSeparator()
        for path in recent:
            action = self._menu.addAction(
                _short(path), lambda _=False, path=path: self.opening.open(path)
            )
            if action is not None:
                action.setToolTip(str(path))

    # --- from the session

    def _connect(self, viewer: Any) -> None:
        session, layers = self.session, self.layers
        listen(
            self,
            (session.dataset_changed, self._on_dataset_changed),
            (session.states_read, self._count_later),
            (session.state_changed, self._on_state_changed),
            (layers.draft.unsaved_changed, self._show_saved),
            (layers.loading_changed, self._show_saved),
            (layers.saving.changed, self._show_saved),
            (self.opening.changed, self._on_opening_changed),
            (viewer.events.theme, self._on_theme_changed),
        )

    def _on_dataset_changed(self, dataset: Dataset | None) -> None:
        self._pages.setCurrentIndex(0 if dataset is None else 1)
        if dataset is None:
            self._fill_recent()
            return
        number = len(dataset.samples)
        self.name.setText(f"<b>{dataset.root.name}</b> · {number:,} images".replace(",", "\u202f"))
        self.name.setToolTip(str(dataset.root))
        self._show_counts()

    def _fill_recent(self) -> None:
        while self._recent.count():
            item = self._recent.takeAt(0)
            widget = item.widget() if item else None
            if widget is not None:
                widget.deleteLater()
        paths = recent_datasets()
        if paths:
            self._recent.addWidget(QLabel("Recent"))
        for path in paths:
            button = QPushButton(_short(path))
            button.setToolTip(str(path))
            button.setFlat(True)
            button.clicked.connect(lambda _=False, path=path: self.opening.open(path))
            self._recent.addWidget(button)

    def _on_opening_changed(self) -> None:
        self.progress.setText(self.opening.message)
        self._pages.setEnabled(self.opening.path is None)

    def _on_state_changed(self, sample_id: str) -> None:
        self._count_later()

    def _count_later(self, ids: tuple[str, ...] = ()) -> None:
        # Statuses come in many batches, and counting looks at all samples.
        ask_calmly(self._counting)

    def _show_counts(self) -> None:
        if self.session.dataset is not None:
            self.bar.show_counts(count_statuses(self.session, self.session.dataset.samples))

    def _show_saved(self) -> None:
        self.saved.setText(self._describe_saving())
        self.saved.setToolTip(self.saved.text())

    def _describe_saving(self) -> str:
        layers = self.layers
        if layers.is_loading:
            return "Opening…"
        if layers.saving.failures:
            return "Not saved"
        if layers.saving.is_saving:
            return "Saving…"
        if layers.draft.unsaved:
            return "Unsaved strokes"
        return f"Saved {layers.saving.last_saved}" if layers.saving.last_saved else ""

    def _on_theme_changed(self, event: Any) -> None:
        port = self.list.view.viewport()
        if port is not None:
            port.update()


def _short(path: Path) -> str:
    """Name a path by its last two parts; a long name without its middle."""
    name = str(Path(*path.parts[-2:])) if len(path.parts) > 2 else str(path)
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
