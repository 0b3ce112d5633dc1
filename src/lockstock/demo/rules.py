"""The past of a shop: pure, and the same for the same setting and seed."""

from lockstock.demo.past import Past
from lockstock.demo.sales import Sales
from lockstock.demo.scene import Scene, Setting
from lockstock.demo.shelves import Shelves
from lockstock.demo.upkeep import Upkeep


def simulate(setting: Setting, seed: int) -> Past:
    """Tell the past of a shop as rows. All of it has ended: nothing is held, nothing is pending."""
    scene = Scene(setting, seed)
    shelves = Shelves(scene.past)
    Upkeep(scene, shelves).plan()
    Sales(scene, shelves).plan()
    scene.run()
    return scene.past
